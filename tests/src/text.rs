//! Changes of texts, such as recipes and signed files, that fail when they change nothing.

/// The text with every `from` replaced by `to`.
///
/// # Panics
/// When the text does not contain `from`.
pub fn replace(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "`{from}` is not in\n{text}");
    text.replace(from, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_missing_is_not_replaced() {
        assert_eq!(replace("a b a", "a", "c"), "c b c");
        assert!(std::panic::catch_unwind(|| replace("a", "b", "c")).is_err());
    }
}
