//! The causes of an error: as one line, and by their type.

use std::error::Error;

/// The message of an error and those of its causes, joined by `: `.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// The first error of a type among an error and its causes, boxed or not.
pub fn find_cause<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    let mut next = Some(error);
    while let Some(error) = next {
        let boxed = || error.downcast_ref::<Box<T>>().map(AsRef::as_ref);
        if let Some(found) = error.downcast_ref::<T>().or_else(boxed) {
            return Some(found);
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use super::*;

    #[derive(Debug)]
    struct Outer(Box<Inner>);

    #[derive(Debug, PartialEq, Eq)]
    struct Inner(u8);

    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }

    impl fmt::Display for Inner {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "inner {}", self.0)
        }
    }

    impl Error for Outer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }

    impl Error for Inner {}

    #[test]
    fn causes_are_joined_and_found_by_their_type() {
        let error = Outer(Box::new(Inner(7)));
        assert_eq!(error_chain(&error), "outer: inner 7");
        assert_eq!(find_cause::<Inner>(&error), Some(&Inner(7)));
        assert!(find_cause::<Outer>(&error).is_some());
        assert!(find_cause::<fmt::Error>(&error).is_none());
    }
}
