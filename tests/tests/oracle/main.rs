//! Suites whose results are judged by tools of others: e2fsck, fsck.fat, sgdisk, kernel mounts, dpkg, apt, gpg, QEMU,
//! Python.

mod boot;
mod bundle;
mod diff;
mod disk;
mod examples;
mod explain;
mod ext4;
mod fat;
mod fetch;
mod growth;
mod inspect;
mod lock;
mod measure;
mod packages;
mod quickstart;
mod real_root;
mod reproduce;
mod resolve;
mod sbom;
mod secure_boot;
mod unpack;
mod unprivileged;
mod update_boot;
mod vendor;
mod verity;
