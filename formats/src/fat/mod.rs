//! FAT32: writer, reader and checker.
