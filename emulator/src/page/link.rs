//! Links of the page: paths below its own, so that no link leads to another site.

use std::fmt::Write as _;

/// The first part of the path of all pages.
///
/// No service has it: the name of a bucket, with which the path of an S3 request begins, contains no
/// underscore (Amazon S3 User Guide, "Bucket naming rules"), EBS direct begins with `/snapshots`, and all others
/// use `/`. A bucket that is named by the host instead may have such a key; its requests are not for the page,
/// see `is_page`.
pub(super) const ROOT: &str = "/_region";

/// A path below [`ROOT`], and a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    path: String,
    query: String,
}

impl Link {
    /// A page; each part of the path is encoded.
    pub(super) fn new(parts: &[&str]) -> Self {
        let mut path = ROOT.to_owned();
        for part in parts {
            path.push('/');
            path.push_str(&encode(part));
        }
        Self { path, query: String::new() }
    }

    /// The page of a region.
    pub(super) fn region(region: &str) -> Self {
        Self::new(&["regions", region])
    }

    /// The page of an image.
    pub(super) fn image(region: &str, id: &str) -> Self {
        Self::new(&["regions", region, "images", id])
    }

    /// The page of a snapshot.
    pub(super) fn snapshot(region: &str, id: &str) -> Self {
        Self::new(&["regions", region, "snapshots", id])
    }

    /// The page of a channel.
    pub(super) fn channel(region: &str, name: &str) -> Self {
        Self::new(&["regions", region, "channels"]).with("name", name)
    }

    /// The page of all launches.
    pub(super) fn launches() -> Self {
        Self::new(&["launches"])
    }

    /// The page of a launch.
    pub(super) fn launch(id: u64) -> Self {
        Self::new(&["launches", &id.to_string()])
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        let separator = if self.query.is_empty() { '?' } else { '&' };
        // Writing to a String cannot fail.
        let _ = write!(self.query, "{separator}{name}={}", encode(value));
        self
    }

    /// The text of the link.
    pub(super) fn text(&self) -> String {
        format!("{}{}", self.path, self.query)
    }
}

/// Encodes everything but unreserved characters (RFC 3986, 2.3).
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_values_are_encoded() {
        assert_eq!(Link::image("local", "../x").text(), "/_region/regions/local/images/..%2Fx");
        let channel = Link::channel("local", "/web/stable&x=1").with("q", "é");
        assert_eq!(channel.text(), "/_region/regions/local/channels?name=%2Fweb%2Fstable%26x%3D1&q=%C3%A9");
    }
}
