//! Running a local region: in the background on its own threads, or as a future.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::Served;
use crate::error::Error;
use crate::launch::Launcher;
use crate::page::Page;
use crate::state::config::RegionConfig;
use crate::state::faults::FaultScript;
use crate::state::objects::Bucket;
use crate::state::{self, State};

/// The minimum number of worker threads.
const MIN_THREADS: usize = 8;

/// A local region whose folder is open and locked by this process.
#[derive(Debug, Clone)]
pub struct LocalRegion {
    state: Arc<State>,
}

impl LocalRegion {
    /// Opens the folder; creates it if it does not exist. No other process can serve it until all clones are
    /// dropped.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process serves it; if a file is damaged or cannot be read.
    pub fn open(config: RegionConfig) -> Result<Self, Error> {
        Ok(Self { state: Arc::new(State::open(config)?) })
    }

    /// Serves requests until `stop` completes.
    ///
    /// # Errors
    /// If the listener has no address, or the address cannot be written to the lock file.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let address = listener.local_addr();
        let address =
            address.map_err(|source| Error::Start { doing: "determine the server's address", source })?;
        self.state.folder_lock.set_endpoint(&format!("http://{address}"))?;
        super::serve(Served { state: Arc::clone(&self.state), page: None }, listener, stop).await;
        Ok(())
    }

    /// Removes the state in a folder, except for the accounts. Returns whether there was any.
    ///
    /// # Errors
    /// [`Error::InUse`] if a server serves it; [`Error::ForeignEntry`] if the folder contains other files.
    pub fn remove(folder: &Path) -> Result<bool, Error> {
        state::remove(folder)
    }

    /// Replaces the scripted faults; the new script starts from its beginning.
    pub fn set_faults(&self, faults: FaultScript) {
        self.state.faults.replace(faults);
    }

    /// Creates a bucket in a region for the account of the demo key, for programs that have no call for it.
    ///
    /// # Errors
    /// If the region's name is not valid, or its state cannot be written.
    pub fn create_bucket(&self, region: &str, name: &str) -> Result<(), Error> {
        let bucket = Bucket { owner: state::ACCOUNT.to_owned(), created: self.state.now() };
        self.state.region(region)?.object_store.buckets.put(name, bucket)
    }

    /// The folder of the state.
    pub fn folder(&self) -> &Path {
        &self.state.config.folder
    }
}

/// A local region that serves requests on loopback, on its own threads, until it is dropped.
#[derive(Debug)]
pub struct RegionServer {
    region: LocalRegion,
    endpoint: String,
    page: Option<Arc<Page>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RegionServer {
    /// Opens the folder and listens on a free port of 127.0.0.1. Requests are accepted when this returns.
    ///
    /// # Errors
    /// As [`LocalRegion::open`]; if no port can be opened or no thread can be started.
    pub fn start(config: RegionConfig) -> Result<Self, Error> {
        Self::start_at(config, (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Like [`start`](Self::start), but listens on `address`; port 0 selects a free port.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_at(config: RegionConfig, address: SocketAddr) -> Result<Self, Error> {
        Self::start_serving(config, address, None)
    }

    /// Like [`start_at`](Self::start_at), with a page for browsers, which launches images by `launcher`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_page(
        config: RegionConfig,
        address: SocketAddr,
        launcher: Option<Arc<dyn Launcher>>,
    ) -> Result<Self, Error> {
        Self::start_serving(config, address, Some(Arc::new(Page::new(launcher))))
    }

    fn start_serving(
        config: RegionConfig,
        address: SocketAddr,
        page: Option<Arc<Page>>,
    ) -> Result<Self, Error> {
        let region = LocalRegion::open(config)?;
        let start = |doing| move |source| Error::Start { doing, source };
        let listener = std::net::TcpListener::bind(address).map_err(start("open a port"))?;
        listener.set_nonblocking(true).map_err(start("open a port"))?;
        let address = listener.local_addr().map_err(start("determine the server's address"))?;
        let endpoint = format!("http://{address}");
        region.state.folder_lock.set_endpoint(&endpoint)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            // Files are read and written on these threads, so there are more of them than processors.
            .worker_threads(
                MIN_THREADS.max(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
            )
            .thread_name("local-region")
            .build()
            .map_err(start("start the server's threads"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Served { state: Arc::clone(&region.state), page: page.clone() };
        let serve = move || {
            runtime.block_on(async {
                // The listener was created above; if the runtime rejects it, no request is served.
                if let Ok(listener) = TcpListener::from_std(listener) {
                    super::serve(served, listener, async { stopped.await.unwrap_or_default() }).await;
                }
            });
        };
        let thread = std::thread::Builder::new().name("local-region".to_owned()).spawn(serve);
        let thread = thread.map_err(start("start the server's threads"))?;
        Ok(Self { region, endpoint, page, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// The link that opens the page in a browser. A person who has it may see the page and launch images.
    pub fn page_link(&self) -> Option<String> {
        self.page.as_ref().map(|page| page.link(&self.endpoint))
    }

    /// The region that this server serves.
    pub fn region(&self) -> &LocalRegion {
        &self.region
    }
}

impl Drop for RegionServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped too.
            let _ = thread.join();
        }
    }
}
