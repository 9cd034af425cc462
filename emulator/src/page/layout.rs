//! What all documents share: head, navigation, badges, messages.

use http::StatusCode;

use super::html::{Attribute, Html};
use super::link::Link;
use super::session::Session;
use super::{HTML, text};
use crate::clock::Timestamp;
use crate::http::response::{Response, new_response};
use crate::launch::{LaunchState, Launcher};
use crate::state::{Region, State};

/// The region that is shown if none has been used.
pub(super) const DEFAULT_REGION: &str = "local";
/// The text for a reader without the cookie.
pub(super) const CLOSED: &str =
    "Open the link that `amiforge local serve` printed when it started: it lets this browser in.";
/// The interval in seconds in which a document with something in progress is loaded again.
const REFRESH: &str = "2";

/// What a document is made from.
pub(super) struct View<'v> {
    pub(super) state: &'v State,
    pub(super) session: &'v Session,
    pub(super) launcher: Option<&'v dyn Launcher>,
    pub(super) query: &'v [(String, String)],
}

/// Whether a document shows something that goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    InProgress,
    Settled,
}

/// The state of something, as a colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    Good,
    Busy,
    Bad,
    Quiet,
}

impl View<'_> {
    /// A document.
    pub(super) fn page(
        &self,
        (title, region): (&str, Option<&Region>),
        activity: Activity,
        write: impl FnOnce(&mut Html),
    ) -> String {
        Html::document(|html| {
            head(html, title, activity);
            html.element("body", &[], |html| {
                self.navigation(html, region);
                html.element("main", &[], write);
            });
        })
    }

    /// The region to show first: the default one, or the first that was used.
    pub(super) fn first_region(&self) -> String {
        let used = self.state.used_regions();
        let default = used.iter().find(|name| *name == DEFAULT_REGION);
        default.or(used.first()).cloned().unwrap_or_else(|| DEFAULT_REGION.to_owned())
    }

    /// The current time of the region's clock.
    pub(super) fn now(&self) -> Timestamp {
        self.state.now()
    }

    fn navigation(&self, html: &mut Html, region: Option<&Region>) {
        let mut names = self.state.used_regions();
        names.extend(region.map(|region| region.name.clone()));
        names.push(DEFAULT_REGION.to_owned());
        names.sort();
        names.dedup();
        html.element("header", &[], |html| {
            html.link(&Link::new(&[]), "brand", "amiforge local region");
            html.element("nav", &[Attribute::Fixed("aria-label", "Regions")], |html| {
                for name in &names {
                    let is_shown = region.is_some_and(|region| region.name == *name);
                    let link = Link::region(name);
                    let current = Attribute::Fixed("aria-current", "page");
                    let attributes = [Attribute::Target("href", &link), current];
                    html.element("a", if is_shown { &attributes } else { &attributes[..1] }, |html| {
                        html.text(name);
                    });
                }
            });
            if let Some(launcher) = self.launcher {
                let running =
                    launcher.launches().iter().filter(|one| one.state == LaunchState::Running).count();
                let label =
                    if running == 0 { "Launches".to_owned() } else { format!("Launches ({running})") };
                html.link(&Link::launches(), "side", &label);
            }
        });
    }

    /// A button that sends a form.
    pub(super) fn button(&self, html: &mut Html, action: &Link, class: &'static str, label: &str) {
        let form = [Attribute::Fixed("method", "post"), Attribute::Target("action", action)];
        html.element("form", &form, |html| {
            let token = self.session.form_token();
            html.void(
                "input",
                &[
                    Attribute::Fixed("type", "hidden"),
                    Attribute::Fixed("name", "form"),
                    Attribute::Value("value", &token),
                ],
            );
            html.element("button", &[Attribute::Fixed("type", "submit"), Attribute::Class(class)], |html| {
                html.text(label);
            });
        });
    }

    /// A time and how long ago it was.
    pub(super) fn time(&self, html: &mut Html, time: Timestamp) {
        let (full, iso) = (text::time(time), time.iso());
        html.element(
            "time",
            &[Attribute::Value("datetime", &iso), Attribute::Value("title", &full)],
            |html| {
                html.text(&text::ago(time, self.now()));
            },
        );
    }
}

fn head(html: &mut Html, title: &str, activity: Activity) {
    html.element("head", &[], |html| {
        html.void("meta", &[Attribute::Fixed("charset", "utf-8")]);
        let width = Attribute::Fixed("content", "width=device-width, initial-scale=1");
        html.void("meta", &[Attribute::Fixed("name", "viewport"), width]);
        let scheme = Attribute::Fixed("content", "light dark");
        html.void("meta", &[Attribute::Fixed("name", "color-scheme"), scheme]);
        if activity == Activity::InProgress {
            let refresh = Attribute::Fixed("http-equiv", "refresh");
            html.void("meta", &[refresh, Attribute::Fixed("content", REFRESH)]);
        }
        html.text_in("title", "", &format!("{title} · amiforge local region"));
        let style = Link::new(&["style.css"]);
        html.void("link", &[Attribute::Fixed("rel", "stylesheet"), Attribute::Target("href", &style)]);
        // Browsers ask for an icon at the root of the site, which is a request to S3.
        html.void("link", &[Attribute::Fixed("rel", "icon"), Attribute::Fixed("href", "data:,")]);
    });
}

/// A document with nothing but a message.
pub(super) fn message(status: StatusCode, title: &str, message: &str) -> Response {
    let text = Html::document(|html| {
        head(html, title, Activity::Settled);
        html.element("body", &[], |html| {
            html.element("main", &[Attribute::Class("message")], |html| {
                html.text_in("h1", "", title);
                html.text_in("p", "", message);
                html.link(&Link::new(&[]), "", "To the region");
            });
        });
    });
    new_response(status, HTML, text)
}

/// A badge with a state.
pub(super) fn badge(html: &mut Html, tone: Tone, text: &str) {
    let class = match tone {
        Tone::Good => "badge good",
        Tone::Busy => "badge busy",
        Tone::Bad => "badge bad",
        Tone::Quiet => "badge quiet",
    };
    html.text_in("span", class, text);
}

/// A section with a heading and the number of its entries; nothing if there are none and no text for that.
pub(super) fn section(
    html: &mut Html,
    (title, number): (&str, usize),
    empty: &str,
    write: impl FnOnce(&mut Html),
) {
    if number == 0 && empty.is_empty() {
        return;
    }
    html.element("section", &[], |html| {
        html.element("h2", &[], |html| {
            html.text(title);
            html.text_in("small", "", &format!(" {number}"));
        });
        if number == 0 {
            html.text_in("p", "empty", empty);
        } else {
            write(html);
        }
    });
}
