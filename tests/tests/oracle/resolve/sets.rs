//! The sets of packages that both apt and we resolve, and the differences that are expected.

use amiforge_packages::deb::resolve::BasePackages;
use amiforge_packages::deb::source::{PinTarget, VersionPin};

/// A set of packages to resolve.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) base: BasePackages,
    pub(crate) packages: &'static [&'static str],
    pub(crate) recommends: bool,
    pub(crate) without: &'static [&'static str],
    pub(crate) foreign: &'static [&'static str],
    /// In the syntax of `apt_preferences`(5); [`Set::pins`] parses them.
    pub(crate) preferences: &'static str,
    /// Whether both sides find no solution.
    pub(crate) impossible: bool,
    /// Expected differences with their reason: `+ name:arch version` is only in our solution, `- …` only in apt's.
    pub(crate) differences: &'static [(&'static str, &'static str)],
}

impl Set {
    /// The preferences as pins of amiforge.
    pub(crate) fn pins(&self) -> Vec<VersionPin> {
        let stanzas = self.preferences.split("\n\n").filter(|text| !text.trim().is_empty());
        stanzas
            .map(|text| {
                let field = |name: &str| {
                    text.lines().find_map(|line| line.strip_prefix(name)).expect("a field").trim()
                };
                let to = match field("Pin:").split_once(' ').expect("a kind") {
                    ("version", version) => PinTarget::Version(version.to_owned()),
                    (_, suite) => PinTarget::Suite(suite.trim_start_matches("n=").to_owned()),
                };
                let priority = field("Pin-Priority:").parse().expect("a number");
                VersionPin { package: field("Package:").to_owned(), to, priority }
            })
            .collect()
    }
}

const PLAIN: Set = Set {
    name: "",
    base: BasePackages::Required,
    packages: &[],
    recommends: false,
    without: &[],
    foreign: &[],
    preferences: "",
    impossible: false,
    differences: &[],
};

pub(crate) const SETS: &[Set] = &[
    Set { name: "nothing but what is required", ..PLAIN },
    Set { name: "essential", base: BasePackages::Essential, ..PLAIN },
    Set { name: "important", base: BasePackages::Important, ..PLAIN },
    Set { name: "standard, with recommends", base: BasePackages::Standard, recommends: true, ..PLAIN },
    Set {
        name: "minimal server",
        packages: &[
            "systemd-sysv",
            "linux-image-cloud-amd64",
            "cloud-init",
            "openssh-server",
            "udev",
            "dbus",
        ],
        ..PLAIN
    },
    Set { name: "apache2", packages: &["apache2"], ..PLAIN },
    Set {
        name: "lamp",
        packages: &["apache2", "mariadb-server", "php", "php-mysql", "libapache2-mod-php"],
        ..PLAIN
    },
    Set {
        name: "lamp, with recommends",
        packages: &["apache2", "mariadb-server", "php", "php-mysql"],
        recommends: true,
        ..PLAIN
    },
    Set { name: "php alone chooses a server", packages: &["php"], ..PLAIN },
    Set {
        name: "alternatives and virtual packages",
        packages: &[
            "default-mta",
            "mailutils",
            "cron-daemon-common",
            "bsd-mailx",
            "xauth",
            "initramfs-tools",
            "lsb-release",
        ],
        ..PLAIN
    },
    Set {
        name: "a mail server already chosen",
        packages: &["mailutils", "postfix", "logcheck", "mdadm"],
        recommends: true,
        ..PLAIN
    },
    Set {
        name: "another awk",
        packages: &["gawk", "original-awk", "default-mta"],
        without: &["exim4-base"],
        impossible: true,
        ..PLAIN
    },
    Set { name: "gawk beside mawk", packages: &["gawk", "vim", "emacs-nox"], recommends: true, ..PLAIN },
    Set { name: "desktop", packages: &["task-xfce-desktop", "firefox-esr"], recommends: true, ..PLAIN },
    Set { name: "gnome, without recommends", packages: &["gnome-core"], ..PLAIN },
    Set {
        name: "development",
        packages: &["build-essential", "git", "cmake", "default-jdk", "python3-dev", "golang", "rustc"],
        recommends: true,
        ..PLAIN
    },
    Set {
        name: "science",
        packages: &["python3-scipy", "r-base", "octave", "texlive-latex-extra"],
        recommends: true,
        ..PLAIN
    },
    Set {
        name: "kubernetes host",
        packages: &["containerd", "docker.io", "podman", "runc", "nftables"],
        ..PLAIN
    },
    Set { name: "no base", base: BasePackages::None, packages: &["libc6", "busybox-static"], ..PLAIN },
    Set {
        name: "two architectures",
        packages: &["libc6:i386", "zlib1g:i386", "wine32:i386", "gcc-multilib", "python3"],
        foreign: &["i386"],
        ..PLAIN
    },
    Set {
        name: "foreign with recommends",
        packages: &["wine", "wine32:i386", "libgl1:i386", "pulseaudio"],
        foreign: &["i386"],
        recommends: true,
        ..PLAIN
    },
    Set {
        name: "from backports",
        packages: &["linux-image-cloud-amd64/bookworm-backports", "systemd-sysv/bookworm-backports"],
        ..PLAIN
    },
    Set {
        name: "all pinned to backports",
        packages: &["systemd-sysv", "curl", "git"],
        preferences: "Package: *\nPin: release n=bookworm-backports\nPin-Priority: 600\n",
        ..PLAIN
    },
    Set {
        name: "a held version",
        packages: &["openssl", "curl", "nginx"],
        preferences: "Package: openssl\nPin: version 3.0.*\nPin-Priority: 1001\n\nPackage: nginx*\nPin: release n=bookworm\nPin-Priority: 990\n",
        ..PLAIN
    },
    Set {
        name: "without systemd",
        packages: &["sysvinit-core", "openssh-server"],
        without: &["systemd-sysv"],
        ..PLAIN
    },
    Set {
        name: "servers that exclude each other",
        packages: &["exim4-daemon-light", "postfix"],
        impossible: true,
        ..PLAIN
    },
    Set {
        name: "database servers",
        packages: &["postgresql", "redis-server", "rabbitmq-server", "memcached", "default-mysql-server"],
        recommends: true,
        ..PLAIN
    },
    Set {
        name: "network",
        packages: &["network-manager", "bind9", "isc-dhcp-server", "openvpn", "strongswan", "resolvconf"],
        ..PLAIN
    },
];
