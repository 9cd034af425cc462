//! The scan of an image: one walk of each file system finds its files and what is below them; then every file once, what is below, and
//! the files of the bundle.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use amiforge_formats::residue::{self, DiskSurvey};
use amiforge_formats::tree::{Content, NodeKind, Tree};
use amiforge_image::inspect::{DiskView, Medium};
use amiforge_progress::Monitor;

use crate::accounts::AccountFiles;
use crate::content::ContentFinder;
use crate::file_scan::{FileScanResult, FileScanner};
use crate::finding::LeakFinding;
use crate::options::{LeakError, ScanOptions};
use crate::publication::Publications;
use crate::report::{Report, ScannedAmount};
use crate::structure::StructureFinder;
use crate::system::{ImageSystem, ImageSystemTree, read_text};
use crate::{below_tree, bundle_files};

/// Scans an image, and the files beside it where it is a bundle's. Findings are the same whatever the number of threads.
///
/// # Errors
/// [`LeakError`].
pub fn scan(medium: &Medium, options: &ScanOptions<'_>, monitor: Monitor<'_>) -> Result<Report, LeakError> {
    monitor.progress.begin("reading the file systems, and what is below the files", None);
    let view = DiskView::read(medium)?;
    let DiskSurvey { residue: below, volumes } = residue::survey(medium)?;
    let system = ImageSystem::of(medium, view, volumes);
    let finder = ContentFinder::new(&options.filter);
    let structure = StructureFinder::new(&options.filter)?;
    let mut report = Report { unread: system.unread.clone(), ..Report::default() };
    let total: u64 = system
        .trees
        .iter()
        .map(|tree| files(&tree.tree).iter().map(|file| file.content.len()).sum::<u64>())
        .sum();
    monitor.progress.begin("looking for leaks in files", Some(total));
    for tree in &system.trees {
        let scanner = FileScanner {
            finder: &finder,
            structure: &structure,
            filter: &options.filter,
            accounts: accounts(tree, &system),
            publications: publications(tree, &system, options)?,
            prefix: &tree.prefix,
            bytes: &system.bytes,
        };
        let (findings, scanned) = scan_files(&scanner, &files(&tree.tree), options.threads, monitor)?;
        report.findings.extend(findings);
        report.scanned = added(report.scanned, scanned);
    }
    below_tree::scan((medium, &below), &finder, options, &mut report, monitor)?;
    if let Some(folder) = medium.bundle() {
        let failed = |source| LeakError::Bundle { path: folder.to_owned(), source };
        let beside = bundle_files::scan(folder, &finder).map_err(failed)?;
        report.findings.extend(beside.findings);
        report.unread.extend(beside.unread);
        report.scanned.bundle_files = beside.files;
    }
    report.sort();
    monitor.progress.end();
    Ok(report)
}

fn added(a: ScannedAmount, b: ScannedAmount) -> ScannedAmount {
    ScannedAmount {
        files: a.files + b.files,
        bytes: a.bytes + b.bytes,
        bundle_files: a.bundle_files + b.bundle_files,
        raw_bytes: a.raw_bytes + b.raw_bytes,
        unopened: a.unopened + b.unopened,
    }
}

/// The users of a system, from its passwd(5).
fn accounts(tree: &ImageSystemTree, system: &ImageSystem<'_>) -> AccountFiles {
    AccountFiles::parse(&read_text(&tree.tree, b"etc/passwd", &system.bytes).unwrap_or_default())
}

fn publications(
    tree: &ImageSystemTree,
    system: &ImageSystem<'_>,
    options: &ScanOptions<'_>,
) -> Result<Publications, LeakError> {
    let files = (options.published)(&tree.tree, &system.bytes).map_err(LeakError::Packages)?;
    Ok(Publications::new(&tree.tree, files))
}

/// The regular files of a tree, each once, with all their paths.
fn files(tree: &Tree) -> Vec<FileScanResult<'_>> {
    let mut index: Vec<Option<usize>> = vec![None; tree.capacity()];
    let mut all: Vec<FileScanResult<'_>> = Vec::new();
    for entry in tree.walk() {
        let NodeKind::File(content) = &tree.node(entry.id).kind else { continue };
        if let Some(known) = index[entry.id.index()] {
            all[known].paths.push(entry.path);
        } else {
            index[entry.id.index()] = Some(all.len());
            all.push(FileScanResult { paths: vec![entry.path], content });
        }
    }
    all
}

/// Scans files on several threads, each taking the next.
fn scan_files(
    scanner: &FileScanner<'_>,
    files: &[FileScanResult<'_>],
    threads: usize,
    monitor: Monitor<'_>,
) -> Result<(Vec<LeakFinding>, ScannedAmount), LeakError> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new((Vec::new(), ScannedAmount::default()));
    let work = || -> Result<(), LeakError> {
        let (mut matched, mut scanned, mut buffer) = (Vec::new(), ScannedAmount::default(), Vec::new());
        while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            if monitor.cancel.is_cancelled() {
                return Err(LeakError::Interrupted);
            }
            scanner.scan(file, &mut buffer, &mut matched, &mut scanned)?;
            monitor.progress.advance(Content::len(file.content));
        }
        let mut results = results.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        results.0.append(&mut matched);
        results.1 = added(results.1, scanned);
        Ok(())
    };
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads.max(1)).map(|_| scope.spawn(work)).collect();
        let ended =
            || Err(LeakError::File { file: String::new(), source: io::Error::other("a thread ended early") });
        running.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|_| ended()))
    })?;
    Ok(results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

#[cfg(test)]
mod tests;
