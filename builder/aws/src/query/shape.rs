//! What requests and answers are made of, and the macros that declare them.

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;

use super::{FormWriter, MalformedResponse, QueryService, XmlElement};

/// The type of a value on the wire.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Shape {
    /// Text, words of an enumeration among them.
    Text,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// A moment, as RFC 3339 writes it.
    Timestamp,
    /// Any number of one shape.
    List(&'static Shape),
    /// Named values.
    Structure(&'static [Field]),
}

/// A named value of a structure.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name on the wire.
    pub name: &'static str,
    /// Its shape.
    pub shape: Shape,
}

/// What a call sends and what it gives, so that others can hold it against the model of the service.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// The service.
    pub service: QueryService,
    /// The name of the call, such as `RegisterImage`.
    pub name: &'static str,
    /// Its parameters: a [`Shape::Structure`].
    pub input: Shape,
    /// The part of its answer that is read: a [`Shape::Structure`].
    pub output: Shape,
}

/// A value that can be written into a form.
pub(crate) trait Write {
    /// Adds the value to a form. What is absent or empty adds nothing.
    fn write(&self, to: FormWriter<'_>);
}

/// A value of a request.
pub(crate) trait InputValue: Write {
    /// Its shape.
    const SHAPE: Shape;
}

/// A value of an answer. What an answer leaves out is the default.
pub(crate) trait OutputValue: Default {
    /// Its shape.
    const SHAPE: Shape;

    /// The value of an element.
    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse>;
}

/// A call: its parameters are the fields of the type.
pub(crate) trait Operation: InputValue + Sync {
    /// The service.
    const SERVICE: QueryService;
    /// Its name.
    const NAME: &'static str;
    /// What is read of its answer.
    type Output: OutputValue + Send;

    /// The call as others see it.
    const DESCRIPTION: Description = Description {
        service: Self::SERVICE,
        name: Self::NAME,
        input: Self::SHAPE,
        output: <Self::Output as OutputValue>::SHAPE,
    };
}

/// A call whose answer comes in pages.
pub(crate) trait Paged: Operation + Send {
    /// What the pages are made of.
    type Item: Send;

    /// Asks for the page that a token stands for.
    fn set_token(&mut self, token: String);

    /// What a page has, and the token of the next one.
    fn into_items(page: Self::Output) -> (Vec<Self::Item>, Option<String>);
}

/// A moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Seconds since 1970.
    pub(crate) seconds: i64,
    text: String,
}

impl Timestamp {
    /// The moment that a text names, as RFC 3339 writes it.
    pub(crate) fn parse(text: &str) -> Result<Self, MalformedResponse> {
        let date_time = DateTime::from_str(text, Format::DateTimeWithOffset);
        let written =
            date_time.ok().and_then(|date_time| Some((date_time, date_time.fmt(Format::DateTime).ok()?)));
        let (date_time, text) =
            written.ok_or_else(|| MalformedResponse::new(format!("`{text}` is not a moment")))?;
        Ok(Self { seconds: date_time.secs(), text })
    }
}

impl Write for String {
    fn write(&self, to: FormWriter<'_>) {
        to.text(self);
    }
}

impl InputValue for String {
    const SHAPE: Shape = Shape::Text;
}

impl OutputValue for String {
    const SHAPE: Shape = Shape::Text;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        Ok(element.text()?.to_owned())
    }
}

impl Write for bool {
    fn write(&self, to: FormWriter<'_>) {
        to.text(if *self { "true" } else { "false" });
    }
}

impl InputValue for bool {
    const SHAPE: Shape = Shape::Boolean;
}

impl OutputValue for bool {
    const SHAPE: Shape = Shape::Boolean;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        match element.text()? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(element.malformed("neither `true` nor `false`")),
        }
    }
}

impl Write for u64 {
    fn write(&self, to: FormWriter<'_>) {
        to.text(&self.to_string());
    }
}

impl InputValue for u64 {
    const SHAPE: Shape = Shape::Integer;
}

impl OutputValue for u64 {
    const SHAPE: Shape = Shape::Integer;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        element.text()?.parse().map_err(|_| element.malformed("not a whole number"))
    }
}

impl Write for Timestamp {
    fn write(&self, to: FormWriter<'_>) {
        to.text(&self.text);
    }
}

impl InputValue for Timestamp {
    const SHAPE: Shape = Shape::Timestamp;
}

impl OutputValue for Timestamp {
    const SHAPE: Shape = Shape::Timestamp;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        Self::parse(element.text()?).map_err(|_| element.malformed("not a moment"))
    }
}

impl<T: Write> Write for Option<T> {
    fn write(&self, to: FormWriter<'_>) {
        if let Some(value) = self {
            value.write(to);
        }
    }
}

impl<T: InputValue> InputValue for Option<T> {
    const SHAPE: Shape = T::SHAPE;
}

impl<T: OutputValue> OutputValue for Option<T> {
    const SHAPE: Shape = T::SHAPE;

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        T::read(element).map(Some)
    }
}

impl<T: InputValue> Write for Vec<T> {
    fn write(&self, to: FormWriter<'_>) {
        to.list(self);
    }
}

impl<T: InputValue> InputValue for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);
}

impl<T: OutputValue> OutputValue for Vec<T> {
    const SHAPE: Shape = Shape::List(&T::SHAPE);

    fn read(element: XmlElement<'_, '_>) -> Result<Self, MalformedResponse> {
        element.items()?.into_iter().map(T::read).collect()
    }
}

/// Declares structures of a request: each field with its type and its name on the wire.
macro_rules! inputs {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $wire:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl $crate::query::InputValue for $name {
            const SHAPE: $crate::query::Shape = $crate::query::Shape::Structure(&[
                $($crate::query::Field {
                    name: $wire,
                    shape: <$type as $crate::query::InputValue>::SHAPE,
                },)*
            ]);
        }

        impl $crate::query::Write for $name {
            fn write(&self, to: $crate::query::FormWriter<'_>) {
                to.structure(&[$(($wire, &self.$field as &dyn $crate::query::Write),)*]);
            }
        }
    )*};
}

/// Declares structures of an answer: each field that is read, with its type and its name on the wire.
macro_rules! outputs {
    ($($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty = $wire:literal,)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $type,)*
        }

        impl $crate::query::OutputValue for $name {
            const SHAPE: $crate::query::Shape = $crate::query::Shape::Structure(&[
                $($crate::query::Field {
                    name: $wire,
                    shape: <$type as $crate::query::OutputValue>::SHAPE,
                },)*
            ]);

            fn read(
                element: $crate::query::XmlElement<'_, '_>,
            ) -> Result<Self, $crate::query::MalformedResponse> {
                element.structure()?;
                Ok(Self { $($field: element.field($wire)?,)* })
            }
        }
    )*};
}

/// Declares the table of a service's calls: `Name -> Answer`, where the name is also that of
/// the structure of its parameters.
macro_rules! operations {
    ($(#[$meta:meta])* $vis:vis $table:ident of $service:path: $($name:ident -> $output:ident,)*) => {
        $(impl $crate::query::Operation for $name {
            const SERVICE: $crate::query::QueryService = $service;
            const NAME: &'static str = stringify!($name);
            type Output = $output;
        })*

        $(#[$meta])*
        $vis const $table: &[$crate::query::Description] =
            &[$(<$name as $crate::query::Operation>::DESCRIPTION,)*];
    };
}

/// Declares that a call's answer comes in pages, which carry `next_token` and a list: `Name: list of Item`.
macro_rules! paged {
    ($($name:ident: $list:ident of $item:ident,)*) => {$(
        impl $crate::query::Paged for $name {
            type Item = $item;

            fn set_token(&mut self, token: String) {
                self.next_token = Some(token);
            }

            fn into_items(page: <Self as $crate::query::Operation>::Output) -> (Vec<$item>, Option<String>) {
                (page.$list, page.next_token.filter(|token| !token.is_empty()))
            }
        }
    )*};
}

pub(crate) use {inputs, operations, outputs, paged};
