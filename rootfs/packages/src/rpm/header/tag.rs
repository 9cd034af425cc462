//! Numbers of the tags that are used here (rpm, `include/rpm/rpmtag.h`).

/// A tag's number.
pub type RpmTag = u32;

/// A signature header's region.
pub const HEADERSIGNATURES: RpmTag = 62;
/// A header's region.
pub const HEADERIMMUTABLE: RpmTag = 63;
/// Length of header and payload in the file, as the database keeps it.
pub const SIGSIZE: RpmTag = 257;
/// OpenPGP signature of header and payload by an RSA key, as the database keeps it.
pub const SIGPGP: RpmTag = 259;
/// MD5 of header and payload, as the database keeps it.
pub const SIGMD5: RpmTag = 261;
/// OpenPGP signature of header and payload by a DSA key, as the database keeps it.
pub const SIGGPG: RpmTag = 262;
/// An imported key in base64.
pub const PUBKEYS: RpmTag = 266;
/// OpenPGP signature of the header's region by a DSA, EdDSA or ECDSA key (signature header).
pub const DSAHEADER: RpmTag = 267;
/// OpenPGP signature of the header's region by an RSA key (signature header).
pub const RSAHEADER: RpmTag = 268;
/// SHA-1 of the header's region in hexadecimal.
pub const SHA1HEADER: RpmTag = 269;
/// Length of header and payload in the file, 64 bits.
pub const LONGSIGSIZE: RpmTag = 270;
/// Size of the uncompressed payload, 64 bits.
pub const LONGARCHIVESIZE: RpmTag = 271;
/// SHA-256 of the header's region in hexadecimal. (The format's own pages name 272; files have 273.)
pub const SHA256HEADER: RpmTag = 273;
/// IMA signatures of files.
pub const FILESIGNATURES: RpmTag = 274;
/// Length of the longest of `FILESIGNATURES`.
pub const FILESIGNATURELENGTH: RpmTag = 275;
/// fs-verity signatures of files.
pub const VERITYSIGNATURES: RpmTag = 276;
/// Algorithm of `VERITYSIGNATURES`.
pub const VERITYSIGNATUREALGO: RpmTag = 277;
/// OpenPGP signatures of the header's region in base64 (package format 6).
pub const OPENPGP: RpmTag = 278;
/// SHA3-256 of the header's region in hexadecimal.
pub const SHA3_256HEADER: RpmTag = 279;
/// Name.
pub const NAME: RpmTag = 1000;
/// Version.
pub const VERSION: RpmTag = 1001;
/// Release.
pub const RELEASE: RpmTag = 1002;
/// Epoch.
pub const EPOCH: RpmTag = 1003;
/// One line on what it is.
pub const SUMMARY: RpmTag = 1004;
/// What it is.
pub const DESCRIPTION: RpmTag = 1005;
/// When it was built.
pub const BUILDTIME: RpmTag = 1006;
/// Where it was built.
pub const BUILDHOST: RpmTag = 1007;
/// When it was installed; each package of a transaction a second later than the one before.
pub const INSTALLTIME: RpmTag = 1008;
/// Size of the installed files.
pub const SIZE: RpmTag = 1009;
/// Licence.
pub const LICENSE: RpmTag = 1014;
/// Who built it.
pub const PACKAGER: RpmTag = 1015;
/// Group.
pub const GROUP: RpmTag = 1016;
/// Address of the project.
pub const URL: RpmTag = 1020;
/// Operating system.
pub const OS: RpmTag = 1021;
/// Architecture.
pub const ARCH: RpmTag = 1022;
/// Script before the installation.
pub const PREIN: RpmTag = 1023;
/// Script after the installation.
pub const POSTIN: RpmTag = 1024;
/// Names of files as they were before `BASENAMES`.
pub const OLDFILENAMES: RpmTag = 1027;
/// Sizes of files, 32 bits.
pub const FILESIZES: RpmTag = 1028;
/// States of files in the database.
pub const FILESTATES: RpmTag = 1029;
/// Modes of files with their type.
pub const FILEMODES: RpmTag = 1030;
/// Device numbers of device files.
pub const FILERDEVS: RpmTag = 1033;
/// Modification times of files.
pub const FILEMTIMES: RpmTag = 1034;
/// Digests of files in hexadecimal.
pub const FILEDIGESTS: RpmTag = 1035;
/// Targets of symbolic links.
pub const FILELINKTOS: RpmTag = 1036;
/// Flags of files ([`super::file_flag`]).
pub const FILEFLAGS: RpmTag = 1037;
/// Owners of files by name.
pub const FILEUSERNAME: RpmTag = 1039;
/// Groups of files by name.
pub const FILEGROUPNAME: RpmTag = 1040;
/// Name of the source package's file; a source package has none.
pub const SOURCERPM: RpmTag = 1044;
/// Size of the uncompressed payload.
pub const ARCHIVESIZE: RpmTag = 1046;
/// What it provides: names.
pub const PROVIDENAME: RpmTag = 1047;
/// What it requires: flags.
pub const REQUIREFLAGS: RpmTag = 1048;
/// What it requires: names.
pub const REQUIRENAME: RpmTag = 1049;
/// What it requires: versions.
pub const REQUIREVERSION: RpmTag = 1050;
/// What it conflicts with: flags.
pub const CONFLICTFLAGS: RpmTag = 1053;
/// What it conflicts with: names.
pub const CONFLICTNAME: RpmTag = 1054;
/// What it conflicts with: versions.
pub const CONFLICTVERSION: RpmTag = 1055;
/// The version of rpm that built it.
pub const RPMVERSION: RpmTag = 1064;
/// Scripts of triggers.
pub const TRIGGERSCRIPTS: RpmTag = 1065;
/// Triggers: names.
pub const TRIGGERNAME: RpmTag = 1066;
/// Interpreter of the script before the installation, with its arguments.
pub const PREINPROG: RpmTag = 1085;
/// Interpreter of the script after the installation.
pub const POSTINPROG: RpmTag = 1086;
/// What it makes obsolete: names.
pub const OBSOLETENAME: RpmTag = 1090;
/// Devices of files: with `FILEINODES`, which files are hard links of each other.
pub const FILEDEVICES: RpmTag = 1095;
/// Numbers of files: with `FILEDEVICES`, which files are hard links of each other.
pub const FILEINODES: RpmTag = 1096;
/// Languages of files, several separated by `|`.
pub const FILELANGS: RpmTag = 1097;
/// What it provides: flags.
pub const PROVIDEFLAGS: RpmTag = 1112;
/// What it provides: versions.
pub const PROVIDEVERSION: RpmTag = 1113;
/// What it makes obsolete: flags.
pub const OBSOLETEFLAGS: RpmTag = 1114;
/// What it makes obsolete: versions.
pub const OBSOLETEVERSION: RpmTag = 1115;
/// Index of each file's folder in `DIRNAMES`.
pub const DIRINDEXES: RpmTag = 1116;
/// Last names of files.
pub const BASENAMES: RpmTag = 1117;
/// Folders of files, each with a slash at its end.
pub const DIRNAMES: RpmTag = 1118;
/// Format of the payload, `cpio`.
pub const PAYLOADFORMAT: RpmTag = 1124;
/// Compressor of the payload.
pub const PAYLOADCOMPRESSOR: RpmTag = 1125;
/// What the system may have beside each other: 3 where it takes files of 32 and of 64 bits.
pub const INSTALLCOLOR: RpmTag = 1127;
/// The transaction that installed it: its start.
pub const INSTALLTID: RpmTag = 1128;
/// Sizes of files, 64 bits.
pub const LONGFILESIZES: RpmTag = 5008;
/// Capabilities of files as text.
pub const FILECAPS: RpmTag = 5010;
/// Algorithm of `FILEDIGESTS`; MD5 where it is not given.
pub const FILEDIGESTALGO: RpmTag = 5011;
/// What it recommends: names.
pub const RECOMMENDNAME: RpmTag = 5046;
/// What it recommends: versions.
pub const RECOMMENDVERSION: RpmTag = 5047;
/// What it recommends: comparisons.
pub const RECOMMENDFLAGS: RpmTag = 5048;
/// What it suggests: names.
pub const SUGGESTNAME: RpmTag = 5049;
/// What it suggests: versions.
pub const SUGGESTVERSION: RpmTag = 5050;
/// What it suggests: comparisons.
pub const SUGGESTFLAGS: RpmTag = 5051;
/// What it supplements: names.
pub const SUPPLEMENTNAME: RpmTag = 5052;
/// What it supplements: versions.
pub const SUPPLEMENTVERSION: RpmTag = 5053;
/// What it supplements: comparisons.
pub const SUPPLEMENTFLAGS: RpmTag = 5054;
/// What it enhances: names.
pub const ENHANCENAME: RpmTag = 5055;
/// What it enhances: versions.
pub const ENHANCEVERSION: RpmTag = 5056;
/// What it enhances: comparisons.
pub const ENHANCEFLAGS: RpmTag = 5057;
/// File triggers: prefixes of paths.
pub const FILETRIGGERNAME: RpmTag = 5069;
/// File triggers: index of the script of each prefix.
pub const FILETRIGGERINDEX: RpmTag = 5070;
/// File triggers of transactions: prefixes of paths.
pub const TRANSFILETRIGGERNAME: RpmTag = 5079;
/// File triggers of transactions: index of the script of each prefix.
pub const TRANSFILETRIGGERINDEX: RpmTag = 5080;
/// Digests of the compressed payload.
pub const PAYLOADDIGEST: RpmTag = 5092;
/// Algorithm of `PAYLOADDIGEST`.
pub const PAYLOADDIGESTALGO: RpmTag = 5093;
/// Digest of the uncompressed payload, of the algorithm that `PAYLOADDIGESTALGO` names.
pub const PAYLOADDIGESTALT: RpmTag = 5097;
/// Package format; 4 where it is not given.
pub const RPMFORMAT: RpmTag = 5114;
