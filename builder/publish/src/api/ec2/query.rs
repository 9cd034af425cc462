//! The parameters of `DescribeImages`: ids, owner, filters.

/// Which images to describe.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageQuery {
    /// Ids; empty for all.
    pub ids: Vec<String>,
    /// The owner of the images.
    pub owner: ImageOwner,
    /// Filters, all of which must match. Deprecated and disabled images are included.
    pub filters: Vec<QueryFilter>,
}

/// The owner of images.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ImageOwner {
    /// The account.
    #[default]
    Own,
    /// Any account.
    Any,
    /// An account by its twelve digits, or by an alias of the service: `self`, `amazon`, `aws-marketplace`.
    Named(String),
}

/// A filter of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryFilter {
    /// Its name, such as `name`, `tag:amiforge:image` or `source-image-id`.
    pub name: String,
    /// Values, one of which must match.
    pub values: Vec<String>,
}

impl QueryFilter {
    /// The filter for exactly one value, in which `*`, `?` and `\` are escaped.
    pub fn exact(name: impl Into<String>, value: &str) -> Self {
        let mut escaped = String::with_capacity(value.len());
        for character in value.chars() {
            if matches!(character, '*' | '?' | '\\') {
                escaped.push('\\');
            }
            escaped.push(character);
        }
        Self { name: name.into(), values: vec![escaped] }
    }
}

impl ImageQuery {
    /// The image with an id, of any owner.
    pub fn by_id(image: &str) -> Self {
        Self { ids: vec![image.to_owned()], owner: ImageOwner::Any, filters: Vec::new() }
    }

    /// The account's image with a name.
    pub fn by_name(name: &str) -> Self {
        Self { ids: Vec::new(), owner: ImageOwner::Own, filters: vec![QueryFilter::exact("name", name)] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_for_one_value_takes_no_character_for_a_pattern() {
        assert_eq!(QueryFilter::exact("name", r"a*b?c\d").values, [r"a\*b\?c\\d"]);
    }
}
