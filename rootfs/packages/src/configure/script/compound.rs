//! Reads compound commands and redirections with their texts.
//!
//! Follows POSIX, Shell Command Language 2.7 (redirections) and 2.9.4 (compound commands).

use super::parse::{Read, ScriptReader, is_name};
use super::syntax::{Quotes, Redirect, RedirectKind, ScriptCommand, WordPart};
use super::words;

impl ScriptReader<'_> {
    pub(super) fn conditional(&mut self) -> Read<ScriptCommand> {
        self.at += 2;
        let (mut arms, mut otherwise) = (Vec::new(), None);
        loop {
            let condition = self.list(&[b"then"])?;
            self.keyword(b"then", "`then`")?;
            arms.push((condition, self.list(&[b"elif", b"else", b"fi"])?));
            self.blank();
            match self.at_word(&[b"elif", b"else", b"fi"]) {
                Some(b"elif") => self.at += 4,
                Some(b"else") => {
                    self.at += 4;
                    otherwise = Some(Box::new(self.list(&[b"fi"])?));
                    break;
                }
                _ => break,
            }
        }
        self.keyword(b"fi", "`fi`")?;
        Ok(ScriptCommand::If { arms, otherwise })
    }

    pub(super) fn case(&mut self) -> Read<ScriptCommand> {
        self.at += 4;
        self.space();
        let word = self.word()?.ok_or("a word")?;
        self.keyword(b"in", "`in`")?;
        let mut arms = Vec::new();
        loop {
            self.blank();
            if self.at_word(&[b"esac"]).is_some() {
                break;
            }
            self.eat(b"(");
            let mut patterns = Vec::new();
            loop {
                self.space();
                patterns.push(self.word()?.ok_or("a pattern")?);
                self.space();
                if !self.eat(b"|") {
                    break;
                }
            }
            if !self.eat(b")") {
                return Err("`)` after a pattern");
            }
            arms.push((patterns, self.list(&[b"esac"])?));
            self.blank();
            if !self.eat(b";;") {
                break;
            }
        }
        self.keyword(b"esac", "`esac`")?;
        Ok(ScriptCommand::Case { word, arms })
    }

    pub(super) fn iteration(&mut self) -> Read<ScriptCommand> {
        self.at += 3;
        self.space();
        let start = self.at;
        while self.peek().is_some_and(is_name) {
            self.at += 1;
        }
        let name = self.text.get(start..self.at).unwrap_or_default().to_vec();
        self.blank();
        let mut words = None;
        if self.at_word(&[b"in"]).is_some() {
            self.at += 2;
            let mut list = Vec::new();
            loop {
                self.space();
                match self.word()? {
                    Some(word) => list.push(word),
                    None => break,
                }
            }
            words = Some(list);
        }
        self.space();
        self.eat(b";");
        Ok(ScriptCommand::For { name, words, body: Box::new(self.body()?) })
    }

    pub(super) fn body(&mut self) -> Read<ScriptCommand> {
        self.keyword(b"do", "`do`")?;
        let body = self.list(&[b"done"])?;
        self.keyword(b"done", "`done`")?;
        Ok(body)
    }

    pub(super) fn redirects(&mut self) -> Read<Vec<Redirect>> {
        let mut redirects = Vec::new();
        loop {
            self.space();
            match self.redirect()? {
                Some(redirect) => redirects.push(redirect),
                None => return Ok(redirects),
            }
        }
    }

    pub(super) fn redirect(&mut self) -> Read<Option<Redirect>> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        let digits = self.text.get(start..self.at).unwrap_or_default();
        let descriptor = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let kinds: [(&[u8], RedirectKind); 7] = [
            (b">>", RedirectKind::Append),
            (b">&", RedirectKind::Other),
            (b">|", RedirectKind::Write),
            (b">", RedirectKind::Write),
            (b"<&", RedirectKind::Other),
            (b"<>", RedirectKind::Other),
            (b"<", RedirectKind::Read),
        ];
        if self.eat(b"<<") {
            return self.here().map(Some);
        }
        for (text, kind) in kinds {
            if self.eat(text) {
                self.space();
                let target = self.word()?.ok_or("where to redirect to")?;
                return Ok(Some(Redirect { descriptor, kind, target }));
            }
        }
        self.at = start;
        Ok(None)
    }

    /// The text of a `<<`: it begins behind this line, or behind the text before it.
    pub(super) fn here(&mut self) -> Read<Redirect> {
        let tabs = self.eat(b"-");
        self.space();
        let mark = self.word()?.ok_or("the end mark of a text")?;
        let mut end = Vec::new();
        let mut quotes = Quotes::Out;
        for part in mark {
            let WordPart::Text(bytes, kind) = part else { return Err("a plain end mark of a text") };
            end.extend_from_slice(&bytes);
            if kind == Quotes::In {
                quotes = Quotes::In;
            }
        }
        let rest = self.text.get(self.at..).unwrap_or_default();
        let line_end = self.at + rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
        let (line_end, mut at) = self.skip.unwrap_or((line_end, line_end + 1));
        let mut body = Vec::new();
        while let Some(rest) = self.text.get(at..).filter(|rest| !rest.is_empty()) {
            let len = rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
            let mut line = rest.get(..len).unwrap_or_default();
            at = (at + len + 1).min(self.text.len());
            while let (true, Some(shorter)) = (tabs, line.strip_prefix(b"\t")) {
                line = shorter;
            }
            if line == end {
                break;
            }
            body.extend_from_slice(line);
            body.push(b'\n');
        }
        self.skip = Some((line_end, at));
        let target = match quotes {
            Quotes::In => vec![WordPart::Text(body, Quotes::In)],
            Quotes::Out => words::here(&body).unwrap_or_else(|_| vec![WordPart::Unknown]),
        };
        Ok(Redirect { descriptor: None, kind: RedirectKind::Here, target })
    }
}
