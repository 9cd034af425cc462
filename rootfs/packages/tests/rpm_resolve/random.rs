//! Made-up repositories full of relations of every kind, the same on every machine: many of their requests have several answers
//! or none.

use amiforge_packages::rpm::resolve::{RpmRequest, RpmUniverse};

use crate::{oracle, request, small};

/// A row of numbers (xorshift).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    /// The next one, less than `limit`.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn is_one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

const NAMES: [&str; 24] = [
    "ape", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "kite", "lynx", "mole", "newt",
    "owl", "pig", "quail", "rat", "seal", "tern", "urial", "vole", "wasp", "yak",
];
const VIRTUAL: [&str; 8] = ["air", "bog", "clay", "dune", "fen", "moor", "reef", "sand"];

/// One of the names, or of what is provided, perhaps with versions.
fn capability(numbers: &mut Numbers, versions: &[&str]) -> String {
    let name = if numbers.is_one_in(2) { numbers.pick(&NAMES) } else { numbers.pick(&VIRTUAL) };
    if numbers.is_one_in(4) {
        let (sign, version) = (numbers.pick(&["<", "<=", "=", ">=", ">"]), numbers.pick(versions));
        return format!("{name} {sign} {version}");
    }
    name.to_owned()
}

/// A relation; `condition` is the word that rpm allows in it.
fn relation(numbers: &mut Numbers, condition: &str) -> String {
    let versions = ["1", "2", "2-1", "3"];
    if !numbers.is_one_in(4) {
        return capability(numbers, &versions);
    }
    let part = |numbers: &mut Numbers| capability(numbers, &versions);
    let (a, b, c) = (part(numbers), part(numbers), part(numbers));
    match numbers.below(8) {
        0 => format!("({a} or {b})"),
        1 => format!("({a} or {b} or {c})"),
        2 => format!("({a} and {b})"),
        3 => format!("({a} {condition} {b})"),
        4 => format!("({a} {condition} {b} else {c})"),
        5 => format!("({a} with {b})"),
        6 => format!("({a} without {b})"),
        _ => format!("({a} or ({b} and {c}))"),
    }
}

/// A repository: up to two versions of most names.
pub(crate) fn lines(numbers: &mut Numbers) -> String {
    let mut lines = String::new();
    for _ in 0..20 + numbers.below(40) {
        let name = numbers.pick(&NAMES);
        let version = numbers.pick(&["1-1", "2-1", "2-2", "3-1"]);
        let arch = numbers.pick(&["x86_64", "x86_64", "noarch"]);
        let mut fields = vec![format!("{name} {version} {arch}")];
        for (key, most, rare, condition) in [
            ("Requires", 3, 2, "if"),
            ("Conflicts", 1, 4, "unless"),
            ("Recommends", 2, 3, "if"),
            ("Suggests", 1, 4, "if"),
            ("Supplements", 1, 8, "unless"),
            ("Enhances", 1, 10, "unless"),
        ] {
            if numbers.is_one_in(rare) {
                let items: Vec<String> =
                    (0..numbers.below(most + 1)).map(|_| relation(numbers, condition)).collect();
                if !items.is_empty() {
                    fields.push(format!("{key}: {}", items.join(", ")));
                }
            }
        }
        if numbers.is_one_in(2) {
            let version = numbers.pick(&["", " = 1", " = 2", " = 3"]);
            fields.push(format!("Provides: {}{version}", numbers.pick(&VIRTUAL)));
        }
        if numbers.is_one_in(9) {
            fields.push(format!(
                "Obsoletes: {}{}",
                numbers.pick(&NAMES),
                numbers.pick(&["", " < 2", " < 3"])
            ));
        }
        let start = format!("{} ", fields[0]);
        if !lines.lines().any(|line: &str| format!("{line} ").replace(';', " ").starts_with(&start)) {
            lines.push_str(&(fields.join("; ") + "\n"));
        }
    }
    lines
}

#[test]
fn made_up_repositories_are_chosen_from_as_dnf_chooses() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let folder = tempfile::tempdir().unwrap();
    let mut cases: Vec<(RpmRequest, usize)> = Vec::new();
    let mut batches = Vec::new();
    let mut universes = Vec::new();
    for at in 0..crate::random_count() {
        let lines = lines(&mut numbers);
        let packages = small::packages(&lines, 0);
        let path = folder.path().join(at.to_string());
        small::write(&packages, &path);
        let requests: Vec<RpmRequest> = (0..10)
            .map(|round| {
                let names: Vec<&str> = (0..=numbers.below(3))
                    .map(|_| packages[numbers.below(packages.len())].name.as_str())
                    .collect();
                RpmRequest { best: round % 2 == 0, ..request(&names, round % 3 > 0) }
            })
            .collect();
        cases.extend(requests.iter().cloned().map(|request| (request, at)));
        batches.push((vec![path.display().to_string()], requests));
        universes.push((lines, RpmUniverse::new(packages, "x86_64", vec![99])));
    }
    let Some(theirs) = oracle::answers(&batches) else { return };
    let (mut different, mut refused) = (Vec::new(), 0);
    for ((request, at), theirs) in cases.iter().zip(&theirs) {
        let (lines, universe) = &universes[*at];
        let ours = oracle::own(universe, request).unwrap_or_else(|error| format!("!{error}"));
        refused += usize::from(theirs.starts_with('!'));
        if ours != *theirs && !(ours.starts_with('!') && theirs.starts_with('!')) {
            let names: Vec<&str> = request.packages.iter().map(|requested| requested.text.as_str()).collect();
            let kind = (request.weak, request.best);
            different.push(format!(
                "repository {at} {names:?} weak, best {kind:?}\n{lines}\nours {ours}\ndnf  {theirs}\n"
            ));
        }
    }
    println!("{} requests, {refused} refused by dnf", cases.len());
    different.sort_by_key(String::len);
    assert!(
        different.is_empty(),
        "{} differ, the shortest:\n{}",
        different.len(),
        different[..different.len().min(3)].join("\n")
    );
}
