//! The parameters of EC2's query protocol: flattened lists and nested structures. Each parameter records
//! whether it has been read.
//!
//! `BlockDeviceMapping.1.Ebs.SnapshotId` is a path: list indexes count from 1 and follow the singular name of
//! the member. A parameter that is never read is unknown to the operation. Knows no operation.

use std::cell::Cell;
use std::collections::BTreeMap;

use super::errors::Ec2Error;

/// The maximum number of parameters in a request.
const MAX_PARAMETERS: usize = 10_000;
/// The maximum depth of a parameter's path; the deepest supported one, in a mixed instances policy, has thirteen parts.
const MAX_DEPTH: usize = 16;

/// A parameter, a structure or a list.
#[derive(Debug, Default)]
pub(crate) struct ParamNode {
    value: Option<String>,
    was_read: Cell<bool>,
    children: BTreeMap<String, ParamNode>,
}

/// A structure of the request and its path.
#[derive(Debug, Clone)]
pub(crate) struct Params<'q> {
    node: Option<&'q ParamNode>,
    path: String,
}

impl ParamNode {
    /// Builds the tree from decoded names and values.
    pub(crate) fn read<K, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Result<Self, Ec2Error>
    where
        K: AsRef<str>,
        V: Into<String>,
    {
        let mut root = Self::default();
        for (count, (name, value)) in pairs.into_iter().enumerate() {
            let name = name.as_ref();
            let depth = name.split('.').count();
            if count >= MAX_PARAMETERS || depth > MAX_DEPTH || name.split('.').any(str::is_empty) {
                return Err(malformed());
            }
            let node =
                name.split('.').fold(&mut root, |node, part| node.children.entry(part.into()).or_default());
            if node.value.replace(value.into()).is_some() {
                return Err(malformed());
            }
        }
        Ok(root)
    }

    /// The parameters of the request.
    pub(crate) fn params(&self) -> Params<'_> {
        Params { node: Some(self), path: String::new() }
    }

    /// Returns an error if a parameter has not been read.
    pub(crate) fn check_all_read(&self) -> Result<(), Ec2Error> {
        self.first_unread("").map_or(Ok(()), |path| Err(Ec2Error::unknown(&path)))
    }

    fn first_unread(&self, path: &str) -> Option<String> {
        if self.value.is_some() && !self.was_read.get() {
            return Some(path.to_owned());
        }
        self.children.iter().find_map(|(name, child)| child.first_unread(&join(path, name)))
    }
}

impl<'q> Params<'q> {
    /// The value of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&'q str> {
        let node = self.node?.children.get(name)?;
        node.was_read.set(true);
        node.value.as_deref()
    }

    /// The value of a parameter; `None` if it is empty, which SDKs send for a parameter that is not set.
    pub(crate) fn non_empty(&self, name: &str) -> Option<&'q str> {
        self.text(name).filter(|value| !value.is_empty())
    }

    /// The value of a required parameter.
    pub(crate) fn required(&self, name: &str) -> Result<&'q str, Ec2Error> {
        self.non_empty(name).ok_or_else(|| Ec2Error::missing(&join(&self.path, name)))
    }

    /// The value of a boolean parameter.
    pub(crate) fn boolean(&self, name: &str) -> Result<Option<bool>, Ec2Error> {
        match self.non_empty(name) {
            None => Ok(None),
            Some(value) if value.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(value) if value.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(value) => {
                Err(Ec2Error::value(&join(&self.path, name), value, "Expected 'true' or 'false'."))
            }
        }
    }

    /// The value of an integer parameter.
    pub(crate) fn number(&self, name: &str) -> Result<Option<i64>, Ec2Error> {
        let Some(value) = self.non_empty(name) else { return Ok(None) };
        let wrong = || Ec2Error::value(&join(&self.path, name), value, "Expected an integer.");
        value.parse().map(Some).map_err(|_| wrong())
    }

    /// The value of a parameter with a fixed set of values.
    pub(crate) fn one_of(
        &self,
        name: &str,
        choices: &[&'static str],
    ) -> Result<Option<&'static str>, Ec2Error> {
        let Some(value) = self.non_empty(name) else { return Ok(None) };
        let choice = choices.iter().find(|choice| **choice == value).copied();
        let wrong = || {
            let why = format!("Valid values: {}.", choices.join(", "));
            Ec2Error::value(&join(&self.path, name), value, &why)
        };
        choice.map(Some).ok_or_else(wrong)
    }

    /// A structure; `None` if none of its members was sent.
    pub(crate) fn structure(&self, name: &str) -> Option<Params<'q>> {
        let node = self.node?.children.get(name)?;
        (!node.children.is_empty()).then(|| Params { node: Some(node), path: join(&self.path, name) })
    }

    /// The structures of a list by ascending index.
    pub(crate) fn list(&self, name: &str) -> Vec<Params<'q>> {
        let path = join(&self.path, name);
        let entry = |(index, node): (u64, &'q ParamNode)| Params {
            node: Some(node),
            path: format!("{path}.{index}"),
        };
        self.indexed(name).into_iter().map(entry).collect()
    }

    /// The strings of a list by ascending index.
    pub(crate) fn text_list(&self, name: &str) -> Vec<&'q str> {
        let was_read = |(_, node): (u64, &'q ParamNode)| {
            node.was_read.set(true);
            node.value.as_deref()
        };
        self.indexed(name).into_iter().filter_map(was_read).collect()
    }

    /// Whether a parameter, structure or list was sent.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.node.is_some_and(|node| node.children.contains_key(name))
    }

    /// The path of this structure in the request, for messages.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The members of this structure, for structures that are stored as sent.
    pub(crate) fn members(&self) -> Vec<(&'q str, Params<'q>)> {
        let children = self.node.map(|node| &node.children).into_iter().flatten();
        let entry = |(name, node): (&'q String, &'q ParamNode)| {
            (name.as_str(), Params { node: Some(node), path: join(&self.path, name) })
        };
        children.map(entry).collect()
    }

    /// The value of this node itself.
    pub(crate) fn own_text(&self) -> Option<&'q str> {
        let node = self.node?;
        node.was_read.set(true);
        node.value.as_deref()
    }

    fn indexed(&self, name: &str) -> Vec<(u64, &'q ParamNode)> {
        let children = self.node.and_then(|node| node.children.get(name)).map(|node| &node.children);
        let index = |(index, node): (&String, &'q ParamNode)| index.parse().ok().map(|index| (index, node));
        let mut entries: Vec<(u64, &ParamNode)> = children.into_iter().flatten().filter_map(index).collect();
        entries.sort_by_key(|(index, _)| *index);
        entries
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn malformed() -> Ec2Error {
    Ec2Error::new("MalformedQueryString", "The query string contains a syntax error")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(text: &str) -> ParamNode {
        ParamNode::read(form_urlencoded::parse(text.as_bytes())).unwrap()
    }

    #[test]
    fn lists_are_in_the_order_of_their_numbers() {
        let node = node("A.10=ten&A.2=two&A.1=one");
        assert_eq!(node.params().text_list("A"), ["one", "two", "ten"]);
        node.check_all_read().unwrap();
    }

    #[test]
    fn structures_nest_in_lists() {
        let node = node("B.1.Ebs.SnapshotId=snap-1&B.1.Ebs.VolumeSize=8&B.1.DeviceName=%2Fdev%2Fxvda");
        let list = node.params().list("B");
        let ebs = list[0].structure("Ebs").unwrap();
        assert_eq!(list[0].text("DeviceName"), Some("/dev/xvda"));
        assert_eq!(ebs.text("SnapshotId"), Some("snap-1"));
        assert_eq!(ebs.number("VolumeSize").unwrap(), Some(8));
        node.check_all_read().unwrap();
    }

    #[test]
    fn an_unread_parameter_is_unknown() {
        let node = node("Action=X&B.1.Ebs.Colour=red");
        node.params().text("Action");
        let error = node.check_all_read().unwrap_err();
        assert_eq!(error.code, "UnknownParameter");
        assert_eq!(error.message, "The parameter B.1.Ebs.Colour is not recognized");
    }

    #[test]
    fn a_missing_parameter_is_named_with_its_path() {
        let node = node("Tag.1.Value=x");
        let error = node.params().list("Tag")[0].required("Key").unwrap_err();
        assert_eq!(error.message, "The request must contain the parameter Tag.1.Key");
    }

    #[test]
    fn invalid_integers_booleans_and_choices_are_refused() {
        let node = node("N=1x&T=yes&W=red");
        let params = node.params();
        for error in [
            params.number("N").unwrap_err(),
            params.boolean("T").unwrap_err(),
            params.one_of("W", &["blue"]).unwrap_err(),
        ] {
            assert_eq!(error.code, "InvalidParameterValue");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_request_makes_the_reader_panic(text in "[A-Z.0-9=&%+\\x00-\\x7f]{0,80}") {
            if let Ok(node) = ParamNode::read(form_urlencoded::parse(text.as_bytes())) {
                let params = node.params();
                for list in params.list("A") {
                    let _ = (list.number("B"), list.boolean("C"), list.text_list("D"));
                }
                let _ = node.check_all_read();
            }
        }
    }

    #[test]
    fn a_name_twice_or_with_an_empty_part_is_malformed() {
        for text in ["A=1&A=2", "A..B=1", ".=1", "A.B.C.D.E.F.G.H.I.J.K.L.M.N.O.P.Q=1"] {
            let read = ParamNode::read(form_urlencoded::parse(text.as_bytes()));
            assert_eq!(read.unwrap_err().code, "MalformedQueryString", "{text}");
        }
    }
}
