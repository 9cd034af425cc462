//! Unpacking packages: debs that dpkg-deb makes, unpacked by us and by `dpkg --unpack`, have to give one tree and one
//! database; what dpkg refuses or resolves, we refuse or resolve; what is damaged is named.

mod fixture;
mod hostile;
mod meeting;
mod oracle;
