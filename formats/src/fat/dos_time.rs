//! Dates and times as FAT stores them: UTC here, 1980 to 2107, in steps of two seconds.

use crate::time::Time;

/// 1980-01-01T00:00:00Z, the first time that FAT can represent.
const FIRST: i64 = 315_532_800;

/// 2107-12-31T23:59:58Z, the last one.
const LAST: i64 = 4_354_819_198;

/// Seconds in a day.
const DAY: i64 = 86_400;

/// A date and a time of day as two 16-bit fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DosStamp {
    pub(super) date: u16,
    pub(super) time: u16,
}

/// The stamp of a time, rounded down to one that FAT can represent, or the first one.
pub(super) fn encode(time: Time) -> DosStamp {
    let secs = time.secs.clamp(FIRST, LAST);
    let (day, rest) = (secs.div_euclid(DAY), secs.rem_euclid(DAY));
    let (year, month, day) = civil(day);
    let date = (year - 1980) << 9 | month << 5 | day;
    let time = ((rest / 3600) << 11) | ((rest / 60 % 60) << 5) | (rest % 60 / 2);
    DosStamp { date: date as u16, time: time as u16 }
}

/// The time of a stamp; `None` when it names no day or no time of day. A stamp of zeros, which tools leave where they
/// know no time, is the first time.
pub(super) fn decode(stamp: DosStamp) -> Option<Time> {
    if stamp.date == 0 {
        return Some(Time::from_secs(FIRST));
    }
    let (date, time) = (i64::from(stamp.date), i64::from(stamp.time));
    let (year, month, day) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
    let (hour, minute, second) = (time >> 11, time >> 5 & 63, (time & 31) * 2);
    let days = days(year, month, day);
    if civil(days) != (year, month, day) || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some(Time::from_secs(days * DAY + hour * 3600 + minute * 60 + second))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March, so that a leap day ends one.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month > 2 { year } else { year - 1 };
    let month = (month + 9) % 12;
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// The year, month and day that is a number of days after 1970-01-01, the reverse of [`days`]; for dates after year 0.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let date = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_that_fat_knows_round_trips() {
        for day in FIRST / DAY..=LAST / DAY {
            let time = Time::from_secs(day * DAY + ((day * 7919 % DAY) & !1));
            assert_eq!(decode(encode(time)), Some(time));
        }
    }

    #[test]
    fn known_stamps_and_limits() {
        // 2023-11-14T22:13:20Z
        let stamp = DosStamp { date: 0x576e, time: 0xb1aa };
        assert_eq!(encode(Time { secs: 1_700_000_001, nanos: 9 }), stamp);
        assert_eq!(encode(Time::EPOCH), DosStamp { date: 1 << 5 | 1, time: 0 });
        assert_eq!(encode(Time::from_secs(i64::MAX)), DosStamp { date: 0xff9f, time: 0xbf7d });
        assert_eq!(encode(Time::from_secs(i64::MIN)), encode(Time::EPOCH));
    }

    #[test]
    fn stamps_that_name_no_time_are_refused() {
        let date = 0x565c; // 2023-02-28
        assert!(decode(DosStamp { date, time: 0 }).is_some());
        for (date, time) in
            [(date + 1, 0), (1 << 9, 0), (13 << 5 | 1, 0), (date, 24 << 11), (date, 60 << 5), (date, 30)]
        {
            assert_eq!(decode(DosStamp { date, time }), None);
        }
    }
}
