//! Encodes inputs as forms.

use aws_smithy_query::{QueryValueWriter, QueryWriter};

use super::field::Shape;
use super::{Protocol, QueryService, Tree};

/// A value that can be written to a form.
pub(crate) trait Write {
    /// Writes the value; an absent or empty value adds nothing.
    fn write(&self, to: FormWriter<'_>);
}

/// A value of an input.
pub(crate) trait InputValue: Write {
    /// Its shape.
    const SHAPE: Shape;
}

/// Writes a value into a form.
pub(crate) struct FormWriter<'a> {
    target: Target<'a>,
    protocol: Protocol,
}

enum Target<'a> {
    /// The form itself, whose members have no prefix.
    Form(QueryWriter<'a>),
    Value(QueryValueWriter<'a>),
}

/// Encodes the input of a call of a service.
pub(super) fn encode(service: QueryService, call: &str, input: &dyn Write) -> String {
    let mut form = String::new();
    let target = Target::Form(QueryWriter::new(&mut form, call, service.version));
    input.write(FormWriter { target, protocol: service.protocol });
    form
}

impl FormWriter<'_> {
    /// Writes the members of a structure.
    pub(crate) fn structure(mut self, members: &[(&'static str, &dyn Write)]) {
        for (name, value) in members {
            let writer = match &mut self.target {
                Target::Form(writer) => writer.prefix(name),
                Target::Value(writer) => writer.prefix(name),
            };
            value.write(FormWriter { target: Target::Value(writer), protocol: self.protocol });
        }
    }

    /// Writes a text; ignored for the form itself.
    pub(super) fn text(self, text: &str) {
        if let Target::Value(writer) = self.target {
            writer.string(text);
        }
    }

    /// Writes a list; an empty one adds nothing.
    pub(super) fn list<T: InputValue>(self, elements: &[T]) {
        let protocol = self.protocol;
        let Target::Value(writer) = self.target else { return };
        if elements.is_empty() {
            return;
        }
        let mut list = writer.start_list(protocol == Protocol::Ec2, None);
        for element in elements {
            element.write(FormWriter { target: Target::Value(list.entry()), protocol });
        }
        list.finish();
    }
}

impl Write for Tree {
    fn write(&self, to: FormWriter<'_>) {
        // A tree is always the value of a member.
        if let Target::Value(writer) = to.target {
            write_tree(writer, self);
        }
    }
}

impl InputValue for Tree {
    /// The service checks the members: they are its own.
    const SHAPE: Shape = Shape::Structure(&[]);
}

fn write_tree<'a>(mut writer: QueryValueWriter<'a>, tree: &'a Tree) {
    match tree {
        Tree::Text(text) => writer.string(text),
        Tree::Members(members) => {
            for (name, value) in members {
                write_tree(writer.prefix(name), value);
            }
        }
        Tree::List(item, entries) => {
            let mut list = writer.start_list(false, Some(item));
            for entry in entries {
                write_tree(list.entry(), entry);
            }
            list.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Timestamp, inputs, operations, outputs};
    use super::*;

    const OTHER: QueryService = QueryService {
        id: "Auto Scaling",
        name: "autoscaling",
        version: "2011-01-01",
        protocol: Protocol::Query,
    };
    const EC2: QueryService =
        QueryService { id: "EC2", name: "ec2", version: "2016-11-15", protocol: Protocol::Ec2 };

    inputs! {
        Pair { key: String = "Key", value: Option<String> = "Value", }
        Everything {
            name: Option<String> = "Name",
            on: Option<bool> = "On",
            size: Option<u64> = "Size",
            at: Option<Timestamp> = "At",
            ids: Vec<String> = "Id",
            pair: Option<Pair> = "Pair",
            pairs: Vec<Pair> = "Tag",
        }
        Same { ids: Vec<String> = "Id", pairs: Vec<Pair> = "Tag", }
    }

    outputs! { Nothing {} }

    operations! { FIRST of EC2: Everything -> Nothing, }
    operations! { SECOND of OTHER: Same -> Nothing, }

    fn pair(key: &str, value: Option<&str>) -> Pair {
        Pair { key: key.to_owned(), value: value.map(str::to_owned) }
    }

    #[test]
    fn a_form_names_every_value_and_numbers_lists() {
        assert_eq!((FIRST.len(), SECOND.len()), (1, 1));
        let everything = Everything {
            name: Some("a b&c=d/ü".to_owned()),
            on: Some(false),
            size: Some(8),
            at: Some(Timestamp::parse("2027-11-21T10:00:00+02:00").unwrap()),
            ids: vec!["x".to_owned(), "y".to_owned()],
            pair: Some(pair("k", None)),
            pairs: vec![pair("a", Some("")), pair("b", Some("2"))],
        };
        let expected = "Action=Everything&Version=2016-11-15&Name=a%20b%26c%3Dd%2F%C3%BC&On=false&Size=8\
            &At=2027-11-21T08%3A00%3A00Z&Id.1=x&Id.2=y&Pair.Key=k&Tag.1.Key=a&Tag.1.Value=&Tag.2.Key=b&Tag.2.Value=2";
        assert_eq!(encode(EC2, "Everything", &everything), expected);
        assert_eq!(encode(EC2, "Everything", &Everything::default()), "Action=Everything&Version=2016-11-15");
    }

    #[test]
    fn the_query_protocol_names_list_members() {
        let same = Same { ids: vec!["x".to_owned()], pairs: vec![pair("a", None)] };
        assert_eq!(
            encode(OTHER, "Same", &same),
            "Action=Same&Version=2011-01-01&Id.member.1=x&Tag.member.1.Key=a"
        );
    }
}
