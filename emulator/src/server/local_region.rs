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
use crate::state::{self, World};

/// Fewest threads that answer.
const THREADS: usize = 8;

/// A local region whose folder is open and ours.
#[derive(Debug, Clone)]
pub struct LocalRegion {
    world: Arc<World>,
}

impl LocalRegion {
    /// Opens the folder, which is made when missing. No other program can serve it until all clones are dropped.
    ///
    /// # Errors
    /// [`Error::Held`] if another program serves it; when a file is damaged or cannot be read.
    pub fn open(config: RegionConfig) -> Result<Self, Error> {
        Ok(Self { world: Arc::new(World::open(config)?) })
    }

    /// Answers requests until `stop` is done.
    ///
    /// # Errors
    /// When the listener has no address, or it cannot be written to the folder's lock file.
    pub async fn serve(&self, listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let address = listener.local_addr();
        let address =
            address.map_err(|source| Error::Start { doing: "learn the server's address", source })?;
        self.world.hold.tell(&format!("http://{address}"))?;
        super::serve(Arc::clone(&self.world), listener, stop).await;
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
    pub fn play(&self, faults: FaultScript) {
        self.world.script.replace(faults);
    }

    /// The folder of its state.
    pub fn folder(&self) -> &Path {
        &self.world.config.folder
    }
}

/// A local region that answers on loopback, on threads of its own, until it is dropped.
#[derive(Debug)]
pub struct Running {
    region: LocalRegion,
    endpoint: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Running {
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
        region.world.hold.tell(&endpoint)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            // Files are read and written on these threads, so there are more of them than processors.
            .worker_threads(
                THREADS.max(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
            )
            .thread_name("local-region")
            .build()
            .map_err(start("start the server's threads"))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let world = Arc::clone(&region.world);
        let serve = move || {
            runtime.block_on(async {
                // It was made just above; a listener that the runtime does not take answers nothing.
                if let Ok(listener) = TcpListener::from_std(listener) {
                    super::serve(world, listener, async { stopped.await.unwrap_or_default() }).await;
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

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has stopped too.
            let _ = thread.join();
        }
    }
}
