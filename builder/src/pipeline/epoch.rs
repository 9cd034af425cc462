//! The times of a build: `SOURCE_DATE_EPOCH`, else the recipe's, else the newest among the inputs.
//!
//! The rules of <https://reproducible-builds.org/specs/source-date-epoch/>; never the clock.
//!
//! Of the inputs' newest time only the year goes into what the build makes: with each update some input is newer, and
//! another time in an initrd, an inode or a file system is another block of the image.

use amiforge_formats::time::{Civil, Time};

/// The last second that ext4 can store: in the year 2446.
const LAST_SECOND: i64 = (1 << 34) - (1 << 31) - 1;

/// Why `SOURCE_DATE_EPOCH` cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("SOURCE_DATE_EPOCH is `{0}`, not a number of seconds between 0 and {LAST_SECOND}")]
pub struct NotAnEpoch(String);

/// Reads the value of `SOURCE_DATE_EPOCH`.
///
/// # Errors
/// [`NotAnEpoch`] when it is no decimal number of seconds that a file can have.
pub fn parse_source_date_epoch(text: &str) -> Result<i64, NotAnEpoch> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|seconds| digits && (0..=LAST_SECOND).contains(seconds));
    seconds.ok_or_else(|| NotAnEpoch(text.to_owned()))
}

/// The newest file of the inputs is from after what ext4 can store, and nothing else names the time of the build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a file of the sources was modified at {}, which is after 2446-05-10, the last day that ext4 can store; \
     mend its time, or give `epoch` in `[image]`, to which later times are brought",
    newest.utc()
)]
pub struct TooLate {
    newest: Time,
}

/// The times of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BuildTime {
    /// The time that stands for the build: no file of the image is newer.
    pub(super) latest: Time,
    /// The time of what the build makes rather than takes: files, file systems, and `SOURCE_DATE_EPOCH` of scripts.
    pub(super) made: Time,
}

/// The times of the build. Where the inputs decide, nothing has to be clamped to the latest one: it is the next whole second
/// of the newest time among them, and 1970 if that is earlier; what is made has the start of its year.
pub(super) fn choose(
    source_date_epoch: Option<i64>,
    recipe: Option<i64>,
    newest: Time,
) -> Result<BuildTime, TooLate> {
    if let Some(seconds) = source_date_epoch.or(recipe) {
        let given = Time::from_secs(seconds.clamp(0, LAST_SECOND));
        return Ok(BuildTime { latest: given, made: given });
    }
    let seconds = newest.secs.saturating_add(i64::from(newest.nanos > 0)).max(0);
    if seconds > LAST_SECOND {
        return Err(TooLate { newest });
    }
    let latest = Time::from_secs(seconds);
    let january = Civil { month: 1, day: 1, hour: 0, minute: 0, second: 0, ..latest.utc() };
    Ok(BuildTime { latest, made: Time::from_secs(january.secs()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_goes_before_the_recipe_and_that_before_the_inputs() {
        let newest = Time { secs: 30, nanos: 1 };
        assert_eq!(choose(Some(10), Some(20), newest), Ok(both(10)));
        assert_eq!(choose(None, Some(20), newest), Ok(both(20)));
        let expected = BuildTime { latest: Time::from_secs(31), made: Time::EPOCH };
        assert_eq!(choose(None, None, newest), Ok(expected));
        assert_eq!(choose(None, None, Time::from_secs(-5)), Ok(both(0)));
    }

    fn both(seconds: i64) -> BuildTime {
        BuildTime { latest: Time::from_secs(seconds), made: Time::from_secs(seconds) }
    }

    #[test]
    fn what_is_made_has_the_start_of_the_year_of_the_newest_input() {
        for (newest, year) in
            [(1_735_689_599, 1_704_067_200), (1_735_689_600, 1_735_689_600), (1_767_225_599, 1_735_689_600)]
        {
            let times = choose(None, None, Time::from_secs(newest)).unwrap();
            assert_eq!((times.latest.secs, times.made.secs), (newest, year));
        }
    }

    #[test]
    fn a_time_that_ext4_cannot_store_is_refused_unless_an_epoch_bounds_it() {
        let last = Time::from_secs(LAST_SECOND);
        assert_eq!(choose(None, None, last).map(|times| times.latest), Ok(last));
        for newest in [Time { nanos: 1, ..last }, Time { secs: i64::MAX, nanos: 9 }] {
            assert_eq!(choose(None, None, newest), Err(TooLate { newest }));
            assert_eq!(choose(None, Some(20), newest), Ok(both(20)));
        }
    }

    #[test]
    fn source_date_epoch_is_a_plain_number() {
        assert_eq!(parse_source_date_epoch("1700000000"), Ok(1_700_000_000));
        for wrong in ["", " 1", "+1", "-1", "1.5", "now", "99999999999999999999", "15032385536"] {
            assert!(parse_source_date_epoch(wrong).is_err(), "{wrong}");
        }
    }
}
