//! A TPM 2.0 for one launch: swtpm with new state in the folder of the launch, which ends with the launch.
//!
//! The registers are read by this program from the TPM, never through the guest, which could lie. They are read once
//! the guest has ended: when all checks have passed the machine is stopped, so later extensions cannot happen, and those
//! that were made until then are in. By then firmware and loader have extended registers 0 to 7, 12 and 13 for the
//! last time; PCR 11 grows with the phases of a system with systemd (`systemd-pcrphase(8)`), so its value depends on how
//! far the boot got.

mod command;
mod control;
mod memory;
mod reading;
mod relay;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use amiforge_formats::event_log::HashAlgorithm;

use super::host_packages::{HostDependency, is_on_path};
use super::{BootError, die_with_parent};
use control::Control;
use memory::GuestMemory;
pub use reading::{BANKS, FIRMWARE_PCRS, PcrValues, TpmReading, explains};

/// The program.
const PROGRAM: &str = "swtpm";
/// The longest path of a socket (`unix(7)`), its final NUL excluded.
const SOCKET_PATH_MAX: usize = 107;
/// How long swtpm may take to start.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval between two tries to connect.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// A running TPM and the memory of its machine.
#[derive(Debug)]
pub(super) struct Tpm {
    child: Child,
    /// The socket that QEMU connects to.
    socket: PathBuf,
    /// Error output of swtpm.
    log: PathBuf,
    memory: GuestMemory,
    /// Serves QEMU, and gives the control channel back; taken when the machine has ended.
    relay: Option<JoinHandle<(Control, io::Result<()>)>>,
}

/// What QEMU needs for the TPM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TpmDevice {
    /// The socket that QEMU connects to.
    pub socket: PathBuf,
    /// The file of the machine's memory.
    pub memory: PathBuf,
}

impl Tpm {
    /// Starts a TPM with the [`BANKS`] in a folder, for a machine with this many MiB of memory.
    pub(super) fn start(folder: &Path, memory: u32) -> Result<Self, BootError> {
        if !is_on_path(PROGRAM) {
            return Err(BootError::Missing { dependency: HostDependency::Swtpm });
        }
        let folder = folder.join("tpm");
        let (socket, log) = (folder.join("qemu"), folder.join("log"));
        let file_failed = |source| BootError::File { path: folder.clone(), source };
        if socket.as_os_str().len() > SOCKET_PATH_MAX {
            return Err(BootError::SocketPath { path: socket, limit: SOCKET_PATH_MAX });
        }
        // The state has the secrets of the TPM.
        fs::DirBuilder::new().mode(0o700).create(&folder).map_err(file_failed)?;
        let memory = GuestMemory::new(memory).map_err(Self::failed)?;
        let listener = UnixListener::bind(&socket).map_err(file_failed)?;
        let mut child = spawn(&folder, &log)?;
        let prepared = connect(&folder.join("ctrl"), &mut child).and_then(|stream| {
            let mut control = Control(stream);
            allocate_banks(&mut control)?;
            Ok(control)
        });
        let mut control = match prepared {
            Ok(control) => control,
            Err(source) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(Self::explained(source, &log));
            }
        };
        let relay = std::thread::spawn(move || {
            let served = relay::serve(&listener, &mut control);
            (control, served)
        });
        Ok(Self { child, socket, log, memory, relay: Some(relay) })
    }

    /// What QEMU needs for it.
    pub(super) fn device(&self) -> TpmDevice {
        TpmDevice { socket: self.socket.clone(), memory: self.memory.path() }
    }

    /// Reads the registers, and the event log from the memory of the machine. The machine has ended.
    pub(super) fn read(&mut self) -> Result<TpmReading, BootError> {
        let Some(mut control) = self.end_relay() else {
            return Err(Self::failed(io::Error::other("its control channel was lost")));
        };
        let pcrs = control.channel().and_then(|mut channel| {
            let mut pcrs = BTreeMap::new();
            for bank in BANKS {
                pcrs.insert(bank, read_bank(&mut channel, bank)?);
            }
            Ok(pcrs)
        });
        let pcrs = pcrs.map_err(|source| Self::explained(source, &self.log))?;
        let _ = control.shut_down();
        Ok(TpmReading::new(pcrs, self.memory.logs().map_err(Self::failed)?))
    }

    /// Ends the service for QEMU and takes the control channel back.
    fn end_relay(&mut self) -> Option<Control> {
        let relay = self.relay.take()?;
        // If QEMU never connected, this is the connection that the service waits for.
        let _ = UnixStream::connect(&self.socket);
        relay.join().ok().map(|(control, _)| control)
    }

    fn failed(source: io::Error) -> BootError {
        BootError::Tpm { source }
    }

    /// An error with what swtpm says about it.
    fn explained(source: io::Error, log: &Path) -> BootError {
        let output = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
        match output {
            Ok(output) if !output.is_empty() => {
                BootError::Program { program: PROGRAM.to_owned(), output: format!("{output} ({source})") }
            }
            _ => Self::failed(source),
        }
    }
}

impl Drop for Tpm {
    fn drop(&mut self) {
        self.end_relay();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(folder: &Path, log: &Path) -> Result<Child, BootError> {
    let failed = |source| BootError::Start { program: PROGRAM.to_owned(), source };
    let errors = File::create(log).map_err(failed)?;
    let mut command = die_with_parent::command(PROGRAM).map_err(failed)?;
    let option = |name: &str, rest: &str| format!("{name}={},{rest}", folder.display());
    command.args(["socket", "--tpm2", "--tpmstate", &option("dir", "mode=0600")]);
    command.args(["--ctrl", &format!("type=unixio,path={},mode=0600", folder.join("ctrl").display())]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).process_group(0);
    command.spawn().map_err(failed)
}

/// Connects as soon as swtpm listens.
fn connect(path: &Path, child: &mut Child) -> io::Result<UnixStream> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match UnixStream::connect(path) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() > deadline || child.try_wait()?.is_some() => return Err(error),
            Err(_) => sleep(POLL_INTERVAL),
        }
    }
}

/// Activates the banks of a new TPM. They are active from its next reset on, which is the start of the machine.
fn allocate_banks(control: &mut Control) -> io::Result<()> {
    control.init()?;
    let mut channel = control.channel()?;
    channel.must(&command::startup())?;
    channel.must(&command::allocate(&BANKS))?;
    channel.must(&command::shutdown())?;
    Ok(())
}

fn read_bank(channel: &mut control::TpmChannel, bank: HashAlgorithm) -> io::Result<PcrValues> {
    let mut values = Vec::new();
    for mask in command::masks() {
        let parameters = channel.must(&command::pcr_read(bank, mask))?;
        let read = command::pcr_values(&parameters, bank, mask);
        values.extend(read.ok_or_else(|| io::Error::other(format!("the TPM has no bank of {bank}")))?);
    }
    Ok(values)
}
