//! The structures of FAT as tables of named fields, for tools that show or compare them. Names as in Microsoft's "FAT:
//! General Overview of On-Disk Format", 1.03.

use crate::structure::{FieldDisplay, FieldRole, StructField};

/// The start of the boot sector, which FAT12, FAT16 and FAT32 share.
pub const BOOT: &[StructField] = &[
    StructField::own("BS_jmpBoot", 0, 3, FieldDisplay::Bytes),
    StructField::own("BS_OEMName", 3, 8, FieldDisplay::Text),
    StructField::number("BPB_BytsPerSec", 11, 2),
    StructField::number("BPB_SecPerClus", 13, 1),
    StructField::number("BPB_RsvdSecCnt", 14, 2),
    StructField::number("BPB_NumFATs", 16, 1),
    StructField::number("BPB_RootEntCnt", 17, 2),
    StructField::number("BPB_TotSec16", 19, 2),
    StructField::own("BPB_Media", 21, 1, FieldDisplay::Hex),
    StructField::number("BPB_FATSz16", 22, 2),
    StructField::number("BPB_SecPerTrk", 24, 2),
    StructField::number("BPB_NumHeads", 26, 2),
    StructField::number("BPB_HiddSec", 28, 4),
    StructField::number("BPB_TotSec32", 32, 4),
];

/// The rest of the boot sector of FAT32.
pub const BOOT_32: &[StructField] = &[
    StructField::number("BPB_FATSz32", 36, 4),
    StructField::own("BPB_ExtFlags", 40, 2, FieldDisplay::Hex),
    StructField::own("BPB_FSVer", 42, 2, FieldDisplay::Hex),
    StructField::number("BPB_RootClus", 44, 4),
    StructField::number("BPB_FSInfo", 48, 2),
    StructField::number("BPB_BkBootSec", 50, 2),
    StructField::own("BPB_Reserved", 52, 12, FieldDisplay::Bytes),
    StructField::number("BS_DrvNum", 64, 1),
    StructField::own("BS_Reserved1", 65, 1, FieldDisplay::Hex),
    StructField::own("BS_BootSig", 66, 1, FieldDisplay::Hex),
    StructField::own("BS_VolID", 67, 4, FieldDisplay::Hex),
    StructField::own("BS_VolLab", 71, 11, FieldDisplay::Text),
    StructField::own("BS_FilSysType", 82, 8, FieldDisplay::Text),
    StructField::own("boot code", 90, 420, FieldDisplay::Bytes),
    StructField::own("signature", 510, 2, FieldDisplay::Hex),
];

/// The rest of the boot sector of FAT12 and FAT16.
pub const BOOT_16: &[StructField] = &[
    StructField::number("BS_DrvNum", 36, 1),
    StructField::own("BS_Reserved1", 37, 1, FieldDisplay::Hex),
    StructField::own("BS_BootSig", 38, 1, FieldDisplay::Hex),
    StructField::own("BS_VolID", 39, 4, FieldDisplay::Hex),
    StructField::own("BS_VolLab", 43, 11, FieldDisplay::Text),
    StructField::own("BS_FilSysType", 54, 8, FieldDisplay::Text),
    StructField::own("boot code", 62, 448, FieldDisplay::Bytes),
    StructField::own("signature", 510, 2, FieldDisplay::Hex),
];

/// The FSInfo sector.
pub const FS_INFO: &[StructField] = &[
    StructField::own("FSI_LeadSig", 0, 4, FieldDisplay::Hex),
    StructField::own("FSI_Reserved1", 4, 480, FieldDisplay::Bytes),
    StructField::own("FSI_StrucSig", 484, 4, FieldDisplay::Hex),
    StructField::number("FSI_Free_Count", 488, 4).role(FieldRole::Count),
    StructField::number("FSI_Nxt_Free", 492, 4).role(FieldRole::Count),
    StructField::own("FSI_Reserved2", 496, 12, FieldDisplay::Bytes),
    StructField::own("FSI_TrailSig", 508, 4, FieldDisplay::Hex),
];

/// A directory entry. The time of writing and the size are compared with the file, not here.
pub const DIRECTORY_ENTRY: &[StructField] = &[
    StructField::own("DIR_Name", 0, 11, FieldDisplay::Text),
    StructField::own("DIR_Attr", 11, 1, FieldDisplay::Hex),
    StructField::own("DIR_NTRes", 12, 1, FieldDisplay::Hex),
    StructField::number("DIR_CrtTimeTenth", 13, 1),
    StructField::own("DIR_CrtTime", 14, 2, FieldDisplay::Hex),
    StructField::own("DIR_CrtDate", 16, 2, FieldDisplay::Hex),
    StructField::own("DIR_LstAccDate", 18, 2, FieldDisplay::Hex),
    StructField::own("DIR_FstClusHI", 20, 2, FieldDisplay::Number).role(FieldRole::Count),
    StructField::own("DIR_WrtTime", 22, 2, FieldDisplay::Hex).role(FieldRole::Skip),
    StructField::own("DIR_WrtDate", 24, 2, FieldDisplay::Hex).role(FieldRole::Skip),
    StructField::own("DIR_FstClusLO", 26, 2, FieldDisplay::Number).role(FieldRole::Count),
    StructField::own("DIR_FileSize", 28, 4, FieldDisplay::Number).role(FieldRole::Skip),
];
