//! Constants of the TCG PC Client Platform Firmware Profile 1.06.

use std::fmt;

/// Signature of the header of a crypto-agile log (section 10.4.5.1).
pub const SPEC_ID: &[u8; 16] = b"Spec ID Event03\0";
/// Bytes of an event in the form of TPM 1.2, without its data: the form of the header.
pub(super) const OLD_EVENT: usize = 32;
/// Signature of the event that names the locality of the start (section 10.4.5.3).
pub(super) const STARTUP_LOCALITY: &[u8; 16] = b"StartupLocality\0";

/// The type of an event (section 10.4.1), by its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventType(pub u32);

impl EventType {
    /// The event was not extended.
    pub const NO_ACTION: Self = Self(3);
    /// The end of a phase: zeros, or an error.
    pub const SEPARATOR: Self = Self(4);
    /// A structure with a number of its own; of Linux and systemd.
    pub const EVENT_TAG: Self = Self(6);
    /// The initial program loader; of systemd's stub.
    pub const IPL: Self = Self(0xd);
    /// A variable of Secure Boot.
    pub const VARIABLE_DRIVER_CONFIG: Self = Self(0x8000_0001);
    /// A variable of the boot order.
    pub const VARIABLE_BOOT: Self = Self(0x8000_0002);
    /// An application that firmware loaded.
    pub const APPLICATION: Self = Self(0x8000_0003);
    /// A driver that firmware loaded, from a disk or from the ROM of a device.
    pub const BOOT_SERVICES_DRIVER: Self = Self(0x8000_0004);
    /// A driver that stays after the boot.
    pub const RUNTIME_SERVICES_DRIVER: Self = Self(0x8000_0005);
    /// The partition table.
    pub const GPT: Self = Self(0x8000_0006);
    /// A fixed text for what firmware does.
    pub const ACTION: Self = Self(0x8000_0007);
    /// The entry of `db` that verified an image.
    pub const VARIABLE_AUTHORITY: Self = Self(0x8000_00e0);

    /// The name in the specification; `None` for numbers that it does not have.
    pub const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0x0 => "EV_PREBOOT_CERT",
            0x1 => "EV_POST_CODE",
            0x3 => "EV_NO_ACTION",
            0x4 => "EV_SEPARATOR",
            0x5 => "EV_ACTION",
            0x6 => "EV_EVENT_TAG",
            0x7 => "EV_S_CRTM_CONTENTS",
            0x8 => "EV_S_CRTM_VERSION",
            0x9 => "EV_CPU_MICROCODE",
            0xa => "EV_PLATFORM_CONFIG_FLAGS",
            0xb => "EV_TABLE_OF_DEVICES",
            0xc => "EV_COMPACT_HASH",
            0xd => "EV_IPL",
            0xe => "EV_IPL_PARTITION_DATA",
            0xf => "EV_NONHOST_CODE",
            0x10 => "EV_NONHOST_CONFIG",
            0x11 => "EV_NONHOST_INFO",
            0x12 => "EV_OMIT_BOOT_DEVICE_EVENTS",
            0x13 => "EV_POST_CODE2",
            0x8000_0001 => "EV_EFI_VARIABLE_DRIVER_CONFIG",
            0x8000_0002 => "EV_EFI_VARIABLE_BOOT",
            0x8000_0003 => "EV_EFI_BOOT_SERVICES_APPLICATION",
            0x8000_0004 => "EV_EFI_BOOT_SERVICES_DRIVER",
            0x8000_0005 => "EV_EFI_RUNTIME_SERVICES_DRIVER",
            0x8000_0006 => "EV_EFI_GPT_EVENT",
            0x8000_0007 => "EV_EFI_ACTION",
            0x8000_0008 => "EV_EFI_PLATFORM_FIRMWARE_BLOB",
            0x8000_0009 => "EV_EFI_HANDOFF_TABLES",
            0x8000_000a => "EV_EFI_PLATFORM_FIRMWARE_BLOB2",
            0x8000_000b => "EV_EFI_HANDOFF_TABLES2",
            0x8000_000c => "EV_EFI_VARIABLE_BOOT2",
            0x8000_000d => "EV_EFI_GPT_EVENT2",
            0x8000_0010 => "EV_EFI_HCRTM_EVENT",
            0x8000_00e0 => "EV_EFI_VARIABLE_AUTHORITY",
            0x8000_00e1 => "EV_EFI_SPDM_FIRMWARE_BLOB",
            0x8000_00e2 => "EV_EFI_SPDM_FIRMWARE_CONFIG",
            0x8000_00e3 => "EV_EFI_SPDM_DEVICE_POLICY",
            0x8000_00e4 => "EV_EFI_SPDM_DEVICE_AUTHORITY",
            _ => return None,
        })
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "event type 0x{:x}", self.0),
        }
    }
}
