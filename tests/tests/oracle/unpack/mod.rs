//! Unpacking packages: debs that dpkg-deb makes, unpacked by us and by `dpkg --unpack`, have to give one tree and one
//! database; what dpkg refuses or resolves, we refuse or resolve; what is damaged is named.

mod hostile;
mod made;
mod meeting;
mod oracle;
