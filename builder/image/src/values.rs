//! The small languages of texts that users write in recipes and on the command line: sizes, times, names. Each answer to
//! a mistake is a sentence for the user; the caller knows its position.

use toml::value::{Datetime, Offset};

/// A KiB, the first of the units.
const UNITS: [(&str, u64); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// Largest disk, that of EBS: 64 TiB.
pub const LARGEST: u64 = 64 << 40;

/// The last second that ext4 can store: in the year 2446.
const LAST_SECOND: i64 = (1 << 34) - (1 << 31) - 1;

/// Bytes in a size such as `512 MiB`.
pub fn size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim());
    let wrong = || format!("`{text}` is not a size such as `512 MiB` or `8 GiB`");
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let Some((_, factor)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        let binary =
            UNITS.iter().find(|(name, _)| name[..1].eq_ignore_ascii_case(unit.get(..1).unwrap_or_default()));
        return Err(match binary {
            Some((name, _)) => format!("`{text}` has no unit that is known here; write `{number} {name}`"),
            None => wrong(),
        });
    };
    let bytes = number.checked_mul(*factor).filter(|&bytes| bytes <= LARGEST);
    match bytes {
        Some(0) => Err(format!("`{text}` is no room at all")),
        Some(bytes) => Ok(bytes),
        None => Err(format!("`{text}` is more than 64 TiB, the largest volume there is")),
    }
}

/// Seconds since 1970 in an RFC 3339 time, or in plain digits.
pub fn epoch(text: &str) -> Result<i64, String> {
    if let Ok(seconds) = text.parse() {
        return seconds_in_range(seconds);
    }
    let time: Datetime =
        text.parse().map_err(|_| format!("`{text}` is not a time such as `2026-11-01T00:00:00Z`"))?;
    moment(time)
}

/// Seconds since 1970 if files can have such a time.
pub fn seconds_in_range(seconds: i64) -> Result<i64, String> {
    if (0..=LAST_SECOND).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(format!("`{seconds}` is not between 0 and {LAST_SECOND}, the seconds of 1970 to 2446"))
    }
}

/// Seconds since 1970 of a time with an offset from UTC.
pub fn moment(time: Datetime) -> Result<i64, String> {
    let (Some(date), Some(clock), Some(offset)) = (time.date, time.time, time.offset) else {
        return Err(format!("`{time}` leaves open which moment it is; write it as `2026-11-01T00:00:00Z`"));
    };
    if clock.nanosecond.is_some_and(|nanos| nanos > 0) {
        return Err(format!("`{time}` is not a whole second"));
    }
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let seconds = i64::from(clock.second.unwrap_or(0));
    let of_day = i64::from(clock.hour) * 3600 + i64::from(clock.minute) * 60 + seconds;
    let days = days_since_1970(i64::from(date.year), i64::from(date.month), i64::from(date.day));
    seconds_in_range(days * 86400 + of_day - minutes * 60)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that the leap day is the
/// last of its year.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

/// The year, month and day that is `days` days after 1970-01-01: the reverse of [`days_since_1970`].
pub fn date_of_day(day: i64) -> (i64, i64, i64) {
    // Counted in eras of 400 years, each of 146,097 days, that begin on a first of March.
    let day = day + 719_468;
    let (era, day) = (day.div_euclid(146_097), day.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day)
}

/// The characters that a name of an AMI may have.
pub fn image_name(text: &str, least: usize, most: usize) -> Result<String, String> {
    let bad = text.chars().find(|c| !c.is_ascii_alphanumeric() && !" ()[]./-'@_".contains(*c));
    if let Some(bad) = bad {
        return Err(format!(
            "`{text}` has a `{bad}`; an AMI's name is of A-Z a-z 0-9 space ( ) [ ] . / - ' @ _"
        ));
    }
    let length = text.chars().count();
    if !(least..=most).contains(&length) {
        return Err(format!("`{text}` has {length} characters, and {least} to {most} are allowed"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_need_a_binary_unit() {
        assert_eq!(size("512 MiB"), Ok(512 << 20));
        assert_eq!(size("8GiB"), Ok(8 << 30));
        assert_eq!(size("64 TiB"), Ok(LARGEST));
        for wrong in
            ["", "MiB", "8", "8 QiB", "-1 GiB", "1.5 GiB", "0 MiB", "65 TiB", "99999999999999999999 GiB"]
        {
            assert!(size(wrong).is_err(), "{wrong}");
        }
        assert!(size("8 GB").unwrap_err().ends_with("write `8 GiB`"));
        assert!(size("8 g").unwrap_err().ends_with("write `8 GiB`"));
    }

    #[test]
    fn times_are_whole_seconds_with_an_offset() {
        assert_eq!(epoch("1970-01-01T00:00:00Z"), Ok(0));
        assert_eq!(epoch("2000-02-29T12:00:00Z"), Ok(951_825_600));
        assert_eq!(epoch("2026-11-01T01:00:00+01:00"), Ok(1_793_491_200));
        assert_eq!(epoch("2100-03-01T00:00:00Z"), Ok(4_107_542_400));
        assert_eq!(epoch("1700000000"), Ok(1_700_000_000));
        for wrong in
            ["now", "2026-11-01", "2026-11-01T00:00:00", "2026-02-30T00:00:00Z", "-1", "1960-01-01T00:00:00Z"]
        {
            assert!(epoch(wrong).is_err(), "{wrong}: {:?}", epoch(wrong));
        }
        assert!(epoch("2026-11-01T00:00:00.5Z").is_err());
    }

    #[test]
    fn dates_and_days_are_each_others_reverse() {
        for day in (-800_000..800_000).step_by(97).chain(0..1500) {
            let (year, month, of_month) = date_of_day(day);
            assert!((1..=12).contains(&month) && (1..=31).contains(&of_month));
            assert_eq!(days_since_1970(year, month, of_month), day);
        }
        assert_eq!(date_of_day(20_758), (2026, 11, 1));
    }

    #[test]
    fn names_are_those_of_an_ami() {
        assert!(image_name("web (x) 1.0_a", 3, 128).is_ok());
        assert!(image_name("ab", 3, 128).is_err());
        assert!(image_name("wéb", 3, 128).unwrap_err().contains("has a `é`"));
    }
}
