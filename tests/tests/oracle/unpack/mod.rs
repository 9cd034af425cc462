//! Unpacking packages: debs of dpkg-deb, unpacked by us and by `dpkg --unpack`, give the same tree and database;
//! conflicts that dpkg refuses or resolves are refused or resolved by us; errors name the damaged package.

mod fixture;
mod hostile;
mod meeting;
mod oracle;
