//! A note of every request that was answered: what tests count and what `--log` writes. Decides nothing.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

use serde::Serialize;

use crate::error::Error;
use crate::sync::lock;

/// A request that was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LoggedRequest {
    /// `ebs`, `ec2`, `kms`, `ssm`, `s3` or `sts`.
    pub service: &'static str,
    /// `PutSnapshotBlock`, ...
    pub action: String,
    /// The region that was asked.
    pub region: String,
    /// The path and query of the request.
    pub target: String,
    /// The status of the answer; 0 if the connection was dropped instead.
    pub status: u16,
}

/// Where requests are noted, in the order in which they were answered.
#[derive(Debug, Default)]
pub struct RequestLog {
    requests: Mutex<Vec<LoggedRequest>>,
    file: Option<Mutex<File>>,
}

impl RequestLog {
    /// A trail that is kept in memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// A trail that is written to a file instead, a line of JSON for each request.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn to_file(path: &Path) -> Result<Self, Error> {
        let file = File::options().create(true).append(true).open(path).map_err(Error::io("write", path))?;
        Ok(Self { requests: Mutex::default(), file: Some(Mutex::new(file)) })
    }

    /// What was noted so far.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        lock(&self.requests).clone()
    }

    /// How often each action was answered with a status below 300.
    pub fn successes(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for request in lock(&self.requests).iter().filter(|request| (200..300).contains(&request.status)) {
            *counts.entry(request.action.clone()).or_default() += 1;
        }
        counts
    }

    /// Forgets everything.
    pub fn clear(&self) {
        lock(&self.requests).clear();
    }

    pub(crate) fn record(&self, request: LoggedRequest) {
        let Some(file) = &self.file else {
            lock(&self.requests).push(request);
            return;
        };
        if let Ok(mut line) = serde_json::to_vec(&request) {
            line.push(b'\n');
            // A trail that cannot be written must not fail the request that it tells of.
            let _ = lock(file).write_all(&line);
        }
    }
}
