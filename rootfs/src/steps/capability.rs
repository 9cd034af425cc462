//! File capabilities: the text of setcap(8) to the bytes of `security.capability`.
