//! The machine: its parts, and the command line of QEMU for it. A pure function of its fields.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use amiforge_formats::digest::Digest;

use super::accel::Accel;
use super::arch::qemu_arch;
use super::firmware::SecureBoot;
use super::tpm::TpmDevice;
use super::{Arch, Bus, qemu};

/// The network of the guest, which must contain EC2's link-local addresses.
const NETWORK_OPTIONS: &str =
    "net=169.254.169.0/24,host=169.254.169.1,dns=169.254.169.253,dhcpstart=169.254.169.15";
/// The guest's address.
pub const ADDRESS: &str = "169.254.169.15";
/// Address and port of the metadata service.
const METADATA_ADDRESS: &str = "169.254.169.254:80";

/// A virtual machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Architecture.
    pub arch: Arch,
    /// The accelerator.
    pub accel: Accel,
    /// Firmware.
    pub flash: Option<FlashCopy>,
    /// Whether the firmware is one with Secure Boot.
    pub secure_boot: SecureBoot,
    /// The TPM, and the file for the memory of a machine with one.
    pub tpm: Option<TpmDevice>,
    /// Number of processors.
    pub cpus: u32,
    /// MiB of memory.
    pub memory: u32,
    /// The bus of the drives.
    pub bus: Bus,
    /// The drives, that of the root first.
    pub drives: Vec<Drive>,
    /// The identity of the instance.
    pub identity: InstanceIdentity,
    /// The shell command that answers one connection to the metadata service on its standard input and output.
    pub metadata: Option<String>,
    /// Forwarded ports.
    pub forwards: Vec<Forward>,
    /// Network access of the guest.
    pub network: Network,
    /// File for the firmware's log, on machines that have one.
    pub debug: Option<PathBuf>,
    /// Additional arguments of QEMU.
    pub extra: Vec<String>,
}

/// Firmware in flash, with a copy of the variables for one launch.
#[derive(Debug, Clone)]
pub struct FlashCopy {
    /// The code.
    pub code: PathBuf,
    /// Its format.
    pub code_format: String,
    /// The variables.
    pub vars: PathBuf,
    /// Their format.
    pub vars_format: String,
}

/// A drive.
#[derive(Debug, Clone)]
pub struct Drive {
    /// The file.
    pub file: PathBuf,
    /// `raw` or `qcow2`.
    pub format: &'static str,
    /// Serial number: for EBS the volume's id without its dash.
    pub serial: String,
}

/// A forwarded port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// Port of this host, on 127.0.0.1.
    pub host: u16,
    /// Port of the guest.
    pub guest: u16,
}

/// Network access of the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The guest reaches the metadata service only; forwarded ports reach the guest.
    Closed,
    /// The guest reaches what this host reaches. QEMU's user network cannot exclude the host's own loopback address, so
    /// that is reachable too, as 169.254.169.1.
    Open,
}

/// The identity of an instance, as EC2 shows it in metadata and firmware tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceIdentity {
    /// `i-` and 17 hexadecimal digits.
    pub instance: String,
    /// Instance type.
    pub kind: String,
    /// UUID that begins with `ec2`, by which guests recognise EC2.
    pub uuid: String,
    /// MAC address of the network interface.
    pub mac: String,
}

impl InstanceIdentity {
    /// Derives an identity from a seed: the same seed gives the same instance.
    pub fn from_seed(seed: &[u8], instance: Option<&str>, kind: &str) -> Self {
        let hex = Digest::of(seed).to_string();
        let part = |from: usize, len: usize| hex.get(from..from + len).unwrap_or_default();
        Self {
            instance: instance.map_or_else(|| format!("i-0{}", part(0, 16)), str::to_owned),
            kind: kind.to_owned(),
            uuid: format!(
                "ec2{}-{}-4{}-a{}-{}",
                part(16, 5),
                part(21, 4),
                part(25, 3),
                part(28, 3),
                part(31, 12)
            ),
            mac: format!(
                "06:{}:{}:{}:{}:{}",
                part(44, 2),
                part(46, 2),
                part(48, 2),
                part(50, 2),
                part(52, 2)
            ),
        }
    }
}

impl Machine {
    /// The QEMU program of the architecture.
    pub const fn program(&self) -> &'static str {
        qemu::program(self.arch)
    }

    /// The arguments of QEMU. The console is on its standard input and output.
    pub fn args(&self) -> Vec<String> {
        let mut args = QemuArgs::default();
        self.add_board(&mut args);
        args.add("-nodefaults", "");
        args.add("-display", "none");
        args.add("-no-reboot", "");
        args.add("-chardev", "stdio,id=console,signal=off");
        args.add("-serial", "chardev:console");
        self.add_firmware(&mut args);
        self.add_tpm(&mut args);
        self.add_drives(&mut args);
        args.add("-device", "virtio-rng-pci");
        self.add_smbios(&mut args);
        self.add_network(&mut args);
        args.0.extend(self.extra.iter().cloned());
        args.0
    }

    fn add_board(&self, args: &mut QemuArgs) {
        let (machine, cpu) = match self.accel {
            Accel::Kvm => qemu_arch(self.arch).kvm,
            Accel::Tcg => qemu_arch(self.arch).tcg,
        };
        let mut machine = machine.to_owned();
        if self.has_smm() {
            machine.push_str(",smm=on");
        }
        if self.tpm.is_some() {
            machine.push_str(",memory-backend=ram");
        }
        args.add("-machine", &machine);
        args.add("-accel", self.accel.arg());
        args.add("-cpu", cpu);
        args.add("-smp", &self.cpus.to_string());
        args.add("-m", &self.memory.to_string());
    }

    /// Whether the firmware needs system management mode.
    fn has_smm(&self) -> bool {
        self.secure_boot == SecureBoot::On && qemu_arch(self.arch).has_smm
    }

    /// Adds the TPM. The memory is a file of the host, which can be read after the guest has ended.
    fn add_tpm(&self, args: &mut QemuArgs) {
        let Some(TpmDevice { socket, memory }) = &self.tpm else { return };
        let (size, memory) = (self.memory, escape_path(memory));
        args.add("-object", &format!("memory-backend-file,id=ram,size={size}M,mem-path={memory},share=on"));
        args.add("-chardev", &format!("socket,id=tpm,path={}", escape_path(socket)));
        args.add("-tpmdev", "emulator,id=tpm0,chardev=tpm");
        args.add("-device", &format!("{},tpmdev=tpm0", qemu_arch(self.arch).tpm_device));
    }

    fn add_firmware(&self, args: &mut QemuArgs) {
        if let Some(flash) = &self.flash {
            let (code, vars) = (escape_path(&flash.code), escape_path(&flash.vars));
            let (code_format, vars_format) = (&flash.code_format, &flash.vars_format);
            args.add("-drive", &format!("if=pflash,unit=0,format={code_format},readonly=on,file={code}"));
            args.add("-drive", &format!("if=pflash,unit=1,format={vars_format},file={vars}"));
        }
        if self.has_smm() {
            // Only the firmware may write its variables, and it does not support suspending.
            args.add("-global", "driver=cfi.pflash01,property=secure,value=on");
            args.add("-global", "ICH9-LPC.disable_s3=1");
        }
        if let Some(debug) = self.debug.as_deref().filter(|_| qemu_arch(self.arch).io_ports) {
            args.add("-chardev", &format!("file,id=debug,path={}", escape_path(debug)));
            args.add("-device", "isa-debugcon,iobase=0x402,chardev=debug");
        }
    }

    fn add_drives(&self, args: &mut QemuArgs) {
        for (index, drive) in self.drives.iter().enumerate() {
            let (format, file, serial) = (drive.format, escape_path(&drive.file), &drive.serial);
            args.add(
                "-drive",
                &format!("if=none,id=d{index},format={format},file={file},cache=unsafe,discard=unmap"),
            );
            let device = match self.bus {
                Bus::Nvme => "nvme",
                Bus::Virtio => "virtio-blk-pci",
            };
            let boot = if index == 0 { ",bootindex=0" } else { "" };
            args.add("-device", &format!("{device},drive=d{index},serial={serial}{boot}"));
        }
    }

    /// Adds the SMBIOS tables by which guests recognise EC2.
    fn add_smbios(&self, args: &mut QemuArgs) {
        let InstanceIdentity { instance, kind, uuid, .. } = &self.identity;
        args.add("-smbios", "type=0,vendor=Amazon EC2,version=1.0");
        args.add(
            "-smbios",
            &format!(
                "type=1,manufacturer=Amazon EC2,product={},uuid={uuid},serial={uuid}",
                escape_commas(kind)
            ),
        );
        args.add("-smbios", &format!("type=2,manufacturer=Amazon EC2,asset={instance}"));
        args.add("-smbios", "type=3,manufacturer=Amazon EC2,asset=Amazon EC2");
    }

    fn add_network(&self, args: &mut QemuArgs) {
        let mut net = format!("user,id=n0,ipv6=off,{NETWORK_OPTIONS}");
        if self.network == Network::Closed {
            net.push_str(",restrict=on");
        }
        // Writing to a String cannot fail.
        for Forward { host, guest } in &self.forwards {
            let _ = write!(net, ",hostfwd=tcp:127.0.0.1:{host}-:{guest}");
        }
        if let Some(command) = &self.metadata {
            let _ = write!(net, ",guestfwd=tcp:{METADATA_ADDRESS}-cmd:{}", escape_commas(command));
        }
        args.add("-netdev", &net);
        args.add("-device", &format!("virtio-net-pci,netdev=n0,mac={},romfile=", self.identity.mac));
    }
}

#[derive(Default)]
struct QemuArgs(Vec<String>);

impl QemuArgs {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push(name.to_owned());
        if !value.is_empty() {
            self.0.push(value.to_owned());
        }
    }
}

/// Escapes commas in the value of a QEMU option by doubling them.
fn escape_commas(value: &str) -> String {
    value.replace(',', ",,")
}

fn escape_path(path: &Path) -> String {
    escape_commas(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(arch: Arch) -> Machine {
        Machine {
            arch,
            accel: Accel::Tcg,
            flash: None,
            secure_boot: SecureBoot::Off,
            tpm: None,
            cpus: 2,
            memory: 1024,
            bus: Bus::Nvme,
            drives: vec![Drive { file: "/tmp/a,b".into(), format: "qcow2", serial: "vol0".to_owned() }],
            identity: InstanceIdentity::from_seed(b"web", None, "t3.small"),
            metadata: Some("'/a b' x,y".to_owned()),
            forwards: vec![Forward { host: 2222, guest: 22 }],
            network: Network::Closed,
            debug: Some("/tmp/debug".into()),
            extra: vec!["-S".to_owned()],
        }
    }

    #[test]
    fn the_command_line_of_a_bios_machine() {
        let expected = "-machine q35 -accel tcg,thread=multi,tb-size=512 -cpu max -smp 2 -m 1024 -nodefaults -display none \
            -no-reboot -chardev stdio,id=console,signal=off -serial chardev:console \
            -chardev file,id=debug,path=/tmp/debug -device isa-debugcon,iobase=0x402,chardev=debug \
            -drive if=none,id=d0,format=qcow2,file=/tmp/a,,b,cache=unsafe,discard=unmap \
            -device nvme,drive=d0,serial=vol0,bootindex=0 -device virtio-rng-pci \
            -smbios type=0,vendor=Amazon EC2,version=1.0 \
            -smbios type=1,manufacturer=Amazon EC2,product=t3.small,uuid=UUID,serial=UUID \
            -smbios type=2,manufacturer=Amazon EC2,asset=INSTANCE -smbios type=3,manufacturer=Amazon EC2,asset=Amazon EC2 \
            -netdev user,id=n0,ipv6=off,net=169.254.169.0/24,host=169.254.169.1,dns=169.254.169.253,\
            dhcpstart=169.254.169.15,restrict=on,hostfwd=tcp:127.0.0.1:2222-:22,\
            guestfwd=tcp:169.254.169.254:80-cmd:'/a b' x,,y -device virtio-net-pci,netdev=n0,mac=MAC,romfile= -S";
        let machine = machine(Arch::X86_64);
        let InstanceIdentity { instance, uuid, mac, .. } = &machine.identity;
        let expected = expected.replace("UUID", uuid).replace("INSTANCE", instance).replace("MAC", mac);
        assert_eq!(machine.args().join(" "), expected);
    }

    #[test]
    fn a_measured_machine_has_a_tpm_and_memory_in_a_file() {
        let tpm = TpmDevice { socket: "/tmp/t,pm".into(), memory: "/proc/1/fd/5".into() };
        let machine =
            Machine { secure_boot: SecureBoot::On, tpm: Some(tpm.clone()), ..machine(Arch::X86_64) };
        let args = machine.args().join(" ");
        for part in [
            "-machine q35,smm=on,memory-backend=ram ",
            "-global driver=cfi.pflash01,property=secure,value=on -global ICH9-LPC.disable_s3=1",
            "-object memory-backend-file,id=ram,size=1024M,mem-path=/proc/1/fd/5,share=on",
            "-chardev socket,id=tpm,path=/tmp/t,,pm -tpmdev emulator,id=tpm0,chardev=tpm -device tpm-crb,tpmdev=tpm0",
        ] {
            assert!(args.contains(part), "{part}: {args}");
        }
        let arm = Machine { arch: Arch::Aarch64, ..machine }.args().join(" ");
        assert!(arm.contains("tpm-tis-device,tpmdev=tpm0") && !arm.contains("smm=on"), "{arm}");
    }

    #[test]
    fn an_arm_machine_has_no_debug_port_and_another_board() {
        let args = machine(Arch::Aarch64).args().join(" ");
        assert!(
            args.starts_with("-machine virt,gic-version=3 -accel tcg") && !args.contains("debugcon"),
            "{args}"
        );
    }

    #[test]
    fn an_identity_follows_from_its_seed() {
        let one = InstanceIdentity::from_seed(b"web", None, "t3.small");
        assert_eq!(one, InstanceIdentity::from_seed(b"web", None, "t3.small"));
        assert_ne!(one, InstanceIdentity::from_seed(b"db", None, "t3.small"));
        assert!(
            one.instance.len() == 19
                && one.uuid.len() == 36
                && one.uuid.starts_with("ec2")
                && one.mac.len() == 17
        );
    }
}
