//! The nearest of the words that would have been right.

/// A clause such as "; did you mean `size`?", or nothing where no candidate is near.
pub(super) fn suggestion<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> String {
    nearest(word, candidates).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default()
}

/// The candidate that is nearest to `word`, if any is near. Case, `-` and `_` make no difference.
fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |word: &str| word.to_lowercase().replace('_', "-");
    let word = plain(word);
    let scored = candidates.map(|candidate| (strsim::jaro_winkler(&word, &plain(candidate)), candidate));
    // The first of equals, so that the answer does not depend on more than the order of the candidates.
    let best = scored.reduce(|best, next| if next.0 > best.0 { next } else { best })?;
    (best.0 >= 0.75).then_some(best.1)
}

/// Words in a sentence: "`a`, `b` or `c`".
pub(super) fn any_of<'a>(words: impl Iterator<Item = &'a str>) -> String {
    let mut words: Vec<String> = words.map(|word| format!("`{word}`")).collect();
    match words.pop() {
        Some(last) if words.is_empty() => last,
        Some(last) => format!("{} or {last}", words.join(", ")),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not() {
        let words = || ["name", "version", "arch", "epoch"].into_iter();
        assert_eq!(nearest("archh", words()), Some("arch"));
        assert_eq!(nearest("Version", words()), Some("version"));
        assert_eq!(nearest("zzz", words()), None);
        assert_eq!(
            nearest("authorised_keys", ["authorized-keys", "groups"].into_iter()),
            Some("authorized-keys")
        );
        assert_eq!(any_of(words()), "`name`, `version`, `arch` or `epoch`");
    }
}
