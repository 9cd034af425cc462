//! Reads the body of a hand-over once from the front, over all its parts, and knows at which byte it is.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::PathBuf;

use super::parts::{check_first, check_next, split_base};
use crate::error::{Damage, HandoverError, Location};
use crate::header::{HEADER_LEN, Header};
use crate::write::part_path;

/// What a hand-over is read from.
pub enum Input<'a> {
    /// Its files, in their order.
    Files(Vec<PathBuf>),
    /// A stream, in which parts follow each other.
    Stream {
        /// Its name in messages.
        name: String,
        /// The bytes.
        reader: Box<dyn Read + 'a>,
    },
}

/// A position in the body.
pub(crate) struct BodyReader<'a> {
    rest: VecDeque<PathBuf>,
    is_stream: bool,
    reader: Box<dyn Read + 'a>,
    name: String,
    /// Bytes read of the current file, or of the stream.
    consumed: u64,
    /// Header of the current part.
    header: Header,
    /// Bytes read of the body.
    at: u64,
}

impl<'a> BodyReader<'a> {
    /// Reads the first header.
    pub(crate) fn open(input: Input<'a>) -> Result<Self, HandoverError> {
        let (rest, is_stream, reader, name) = match input {
            Input::Files(files) => {
                let mut rest = VecDeque::from(files);
                let (reader, name) = open_file(rest.pop_front().unwrap_or_default())?;
                (rest, false, reader, name)
            }
            Input::Stream { name, reader } => (VecDeque::new(), true, reader, name),
        };
        let index_sha256 = amiforge_formats::digest::Digest([0; 32]);
        let header = Header { part: 0, parts: 0, start: 0, end: 0, body_len: 0, index_len: 0, index_sha256 };
        let mut body = Self { rest, is_stream, reader, name, consumed: 0, header, at: 0 };
        let at = body.location();
        body.header = body.read_header()?;
        check_first(&body.header).map_err(|damage| HandoverError::damaged(at, damage))?;
        Ok(body)
    }

    /// The header of the current part.
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The next byte.
    pub(crate) fn location(&self) -> Location {
        Location { file: self.name.clone(), offset: self.consumed }
    }

    /// Fills `buf` with the next bytes of the body, which are those of `what`.
    pub(crate) fn read(&mut self, buf: &mut [u8], what: &str) -> Result<(), HandoverError> {
        let mut buf = buf;
        while !buf.is_empty() {
            if self.at == self.header.end {
                self.next_part()?;
            }
            let len = usize::try_from(self.header.end - self.at).unwrap_or(usize::MAX).min(buf.len());
            let (now, rest) = buf.split_at_mut(len);
            self.fill(now, self.header.end - self.at, what)?;
            self.at += len as u64;
            buf = rest;
        }
        Ok(())
    }

    /// Checks that nothing follows the last part.
    pub(crate) fn finish(&mut self) -> Result<(), HandoverError> {
        let at = self.location();
        if self.read_some(&mut [0])? > 0 {
            return Err(HandoverError::damaged(at, Damage::Trailing { what: "the hand-over".to_owned() }));
        }
        Ok(())
    }

    fn next_part(&mut self) -> Result<(), HandoverError> {
        let before = self.header;
        if !self.is_stream {
            let at = self.location();
            if self.read_some(&mut [0])? > 0 {
                let what = format!("part {}", before.part);
                return Err(HandoverError::damaged(at, Damage::Trailing { what }));
            }
            let next = self.rest.pop_front();
            let next = next.ok_or_else(|| {
                let (part, parts) = (before.part + 1, before.parts);
                let known = PathBuf::from(&self.name);
                let path = part_path(&split_base(&known).unwrap_or(known), part);
                HandoverError::MissingPart { part, parts, path }
            })?;
            (self.reader, self.name) = open_file(next)?;
            self.consumed = 0;
        }
        let at = self.location();
        self.header = self.read_header()?;
        check_next(&before, &self.header).map_err(|damage| HandoverError::damaged(at, damage))
    }

    fn read_header(&mut self) -> Result<Header, HandoverError> {
        let at = self.location();
        let mut bytes = [0; HEADER_LEN as usize];
        self.fill(&mut bytes, HEADER_LEN, "the header")?;
        Header::decode(&bytes).map_err(|damage| HandoverError::damaged(at, damage))
    }

    /// Fills `buf`, of which `due` bytes and more are to come.
    fn fill(&mut self, buf: &mut [u8], due: u64, what: &str) -> Result<(), HandoverError> {
        let mut filled = 0;
        while filled < buf.len() {
            let read = self.read_some(&mut buf[filled..])?;
            if read == 0 {
                let damage = Damage::Truncated { what: what.to_owned(), missing: due - filled as u64 };
                return Err(HandoverError::damaged(self.location(), damage));
            }
            filled += read;
        }
        Ok(())
    }

    fn read_some(&mut self, buf: &mut [u8]) -> Result<usize, HandoverError> {
        loop {
            match self.reader.read(buf) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(HandoverError::Stream { name: format!("`{}`", self.name), source });
                }
                Ok(read) => {
                    self.consumed += read as u64;
                    return Ok(read);
                }
            }
        }
    }
}

fn open_file(path: PathBuf) -> Result<(Box<dyn Read>, String), HandoverError> {
    let name = path.display().to_string();
    let file =
        amiforge_progress::regular::open(&path).map_err(|source| HandoverError::File { path, source })?;
    Ok((Box::new(file), name))
}
