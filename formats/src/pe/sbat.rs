//! SBAT: the generations of an image's components, as lines of comma-separated values (shim's `SBAT.md`).
//!
//! A loader that revokes by generation reads one section of that name, so the stub's lines and ours become one.

/// The lines of the stub and then those of `ours` that it has not; lines are unchanged.
pub(super) fn merged(stub: &[u8], ours: &[u8]) -> Vec<u8> {
    let mut lines: Vec<&[u8]> = Vec::new();
    for line in lines_of(stub).chain(lines_of(ours)) {
        if !line.is_empty() && !lines.contains(&line) && !repeats_header(line, &lines) {
            lines.push(line);
        }
    }
    lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect()
}

/// Lines end in a newline; the section's bytes end in NULs.
fn lines_of(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|byte| matches!(byte, b'\n' | 0))
}

/// Whether a line repeats the generation of the format itself.
fn repeats_header(line: &[u8], before: &[&[u8]]) -> bool {
    line.starts_with(b"sbat,") && before.iter().any(|line| line.starts_with(b"sbat,"))
}

#[cfg(test)]
mod tests {
    use super::merged;

    #[test]
    fn the_stubs_lines_come_first_and_none_comes_twice() {
        let stub = b"sbat,1,SBAT Version,sbat,1,https://x\nstub,1,Stub,stub,252,https://y\n\0\0";
        let ours = b"sbat,1,ours,sbat,1,https://z\nstub,1,Stub,stub,252,https://y\nimage,1,I,i,1,https://i";
        let text = String::from_utf8(merged(stub, ours)).unwrap();
        assert_eq!(
            text,
            "sbat,1,SBAT Version,sbat,1,https://x\nstub,1,Stub,stub,252,https://y\nimage,1,I,i,1,https://i\n"
        );
        assert_eq!(merged(b"", b"a\n"), b"a\n");
    }
}
