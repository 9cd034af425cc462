//! Running a local region: in this program, on a thread of its own, or for as long as a future lasts.

use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::error::Error;
use crate::state::config::RegionConfig;
use crate::state::faults::FaultScript;
use crate::state::{self, State};

/// Fewest threads that answer.
const MIN_THREADS: usize = 8;

/// A local region whose folder is open and ours.
#[derive(Debug, Clone)]
pub struct LocalRegion {
    state: Arc<State>,
}

impl LocalRegion {
    /// Opens the folder, which is made when missing. No other program can serve it until all clones are dropped.
    ///
    /// # Errors
    /// [`Error::Held`] if another program serves it; when a file is damaged or cannot be read.
    pub fn open(config: RegionConfig) -> Result<Self, Error> {
        Ok(Self { state: Arc::new(State::open(config)?) })
    }

    /// Answers requests until `stop` is done.
    ///
    /// # Errors
    /// When the listener has no address, or it cannot be written to the folder's lock file.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let address = listener.local_addr();
        let address =
            address.map_err(|source| Error::Start { doing: "learn the server's address", source })?;
        self.state.folder_lock.set_endpoint(&format!("http://{address}"))?;
        super::serve(Arc::clone(&self.state), listener, stop).await;
        Ok(())
    }

    /// Removes the state in a folder: everything but the accounts. Gives whether there was any.
    ///
    /// # Errors
    /// [`Error::Held`] if a server serves it; [`Error::Foreign`] if the folder holds anything else.
    pub fn remove(folder: &Path) -> Result<bool, Error> {
        state::remove(folder)
    }

    /// Plays another script of faults from its beginning.
    pub fn set_faults(&self, faults: FaultScript) {
        self.state.faults.replace(faults);
    }

    /// The folder of its state.
    pub fn folder(&self) -> &Path {
        &self.state.config.folder
    }
}

/// A local region that answers on loopback, on threads of its own, until it is dropped.
#[derive(Debug)]
pub struct RegionServer {
    region: LocalRegion,
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl RegionServer {
    /// Opens the folder and listens on a free port of 127.0.0.1. It listens when this returns.
    ///
    /// # Errors
    /// As [`LocalRegion::open`]; when no port can be opened or no thread be started.
    pub fn start(config: RegionConfig) -> Result<Self, Error> {
        Self::start_at(config, (Ipv4Addr::LOCALHOST, 0).into())
    }

    /// The same at an address; port 0 is a free one.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_at(config: RegionConfig, address: SocketAddr) -> Result<Self, Error> {
        let region = LocalRegion::open(config)?;
        let start = |doing| move |source| Error::Start { doing, source };
        let listener = std::net::TcpListener::bind(address).map_err(start("open a port"))?;
        listener.set_nonblocking(true).map_err(start("open a port"))?;
        let address = listener.local_addr().map_err(start("learn the server's address"))?;
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
        let state = Arc::clone(&region.state);
        let serve = move || {
            runtime.block_on(async {
                // It was made just above; a listener that the runtime does not take answers nothing.
                if let Ok(listener) = TcpListener::from_std(listener) {
                    super::serve(state, listener, async { stopped.await.unwrap_or_default() }).await;
                }
            });
        };
        let thread = std::thread::Builder::new().name("local-region".to_owned()).spawn(serve);
        let thread = thread.map_err(start("start the server's threads"))?;
        Ok(Self { region, endpoint, stop: Some(stop), thread: Some(thread) })
    }

    /// `http://127.0.0.1:PORT`
    pub fn endpoint(&self) -> String {
        self.endpoint.clone()
    }

    /// The region itself.
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
