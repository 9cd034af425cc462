use super::*;
use crate::rpm::configure::testing::HeaderDraft;
use crate::rpm::package::{FilePresence, RpmFileEntry};

const IN: u32 = 1 << 16;
const PRE_IN: u32 = 1 << 25;

/// The plan, a line each.
fn lines(packages: &[UnpackedRpm]) -> Vec<String> {
    let line = |action| match action {
        RpmAction::Own(at) => format!("own {}", packages[at].locked.name),
        RpmAction::Run(call) => {
            let input = String::from_utf8(call.input.unwrap_or_default()).unwrap().replace('\n', " ");
            let body = String::from_utf8(call.script.body.unwrap_or_default()).unwrap();
            format!(
                "{} {} {body} {:?} {input}",
                packages[call.package].locked.name, call.slot, call.arguments
            )
            .trim_end()
            .to_owned()
        }
    };
    plan(packages).unwrap().into_iter().map(line).collect()
}

/// A package whose scripts are their own names.
fn draft() -> HeaderDraft {
    HeaderDraft::default().text(1151, "0").text(1023, "1").text(1024, "2").text(1152, "3")
}

#[test]
fn scripts_run_in_the_order_of_rpm() {
    let trig = draft()
        .texts(1065, &["both", "second", "before"])
        .texts(1066, &["app", "app", "app", "trig"])
        .texts(1067, &["", "", "", ""])
        .numbers(1068, &[IN, IN, PRE_IN, IN])
        .numbers(1069, &[0, 1, 2, 0])
        .texts(5066, &["low", "high"])
        .texts(5069, &["/usr/share", "/usr/share/a"])
        .texts(5071, &["", ""])
        .numbers(5072, &[IN, IN])
        .numbers(5070, &[0, 1])
        .numbers(5084, &[5000, 20_000])
        .package("trig", &["/usr/bin/trig", "/usr/share/a", "/usr/share/trig"]);
    let app = draft().texts(1049, &["/usr/bin/trig"]).numbers(1048, &[1 << 9]).texts(1050, &[""]);
    let mut app = app.package("app", &["/usr/share/a", "/usr/share/app"]);
    app.files.push(RpmFileEntry { presence: FilePresence::LeftOut, ..app.files[0].clone() });
    // Both have the first, which is new with the first of them only.
    let packages = [app, trig];
    assert_eq!(
        lines(&packages),
        [
            "trig %pretrans 0 [1]",
            "app %pretrans 0 [1]",
            "trig %pre 1 [1]",
            "own trig",
            "trig %filetriggerin high [0] /usr/share/a",
            "trig %post 2 [1]",
            "trig %triggerin both [1, 1]",
            "trig %triggerin both [1, 1]",
            "trig %filetriggerin low [0] /usr/share/a /usr/share/trig",
            "trig %triggerprein before [1, 0]",
            "app %pre 1 [1]",
            "own app",
            "trig %filetriggerin high [0] /usr/share/app",
            "app %post 2 [1]",
            "trig %triggerin both [1, 1]",
            "trig %filetriggerin low [0] /usr/share/app",
            "trig %posttrans 3 [1]",
            "app %posttrans 3 [1]",
        ]
    );
}

#[test]
fn a_new_trigger_sees_what_is_there() {
    let first = HeaderDraft::default().package("first", &["/usr/bin/x", "/usr/share/first"]);
    let late = HeaderDraft::default()
        .texts(1049, &["/usr/bin/x"])
        .numbers(1048, &[0])
        .texts(1050, &[""])
        .text(1064, "4.20.1")
        .texts(5066, &["run"])
        .texts(5069, &["/usr/bin/x", "/usr/share"])
        .texts(5071, &["", ""])
        .numbers(5072, &[IN, IN])
        .numbers(5070, &[0, 0])
        .texts(5076, &["end", "first"])
        .texts(5079, &["/usr", "/usr/share"])
        .texts(5081, &["", ""])
        .numbers(5082, &[IN, IN])
        .numbers(5080, &[0, 1])
        .numbers(5085, &[1, 2])
        .package("late", &["/usr/share/late"]);
    assert_eq!(
        lines(&[late, first]),
        [
            "own first",
            "own late",
            "late %filetriggerin run [1, 1] /usr/share/late",
            "late %filetriggerin run [1, 1] /usr/share/first",
            "late %transfiletriggerin first [1] /usr/share/first /usr/share/late",
            "late %transfiletriggerin end [1] /usr/bin/x /usr/share/first /usr/share/late",
        ]
    );
}
