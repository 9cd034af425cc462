//! Modes as chmod(1) takes them.

/// A mode in octal, or symbolic changes of `old`.
pub(crate) fn mode_of(text: &str, old: u16) -> Option<u16> {
    if text.chars().all(|letter| letter.is_digit(8)) && !text.is_empty() {
        return u16::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    }
    text.split(',').try_fold(old, |mode, clause| {
        let at = clause.find(['+', '-', '='])?;
        let (who, rest) = clause.split_at(at);
        let who = if who.is_empty() || who.contains('a') { "ugo" } else { who };
        let (operator, letters) = rest.split_at(1);
        let mut bits = 0;
        for letter in letters.chars() {
            let each = match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if mode & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                _ => return None,
            };
            bits |= each;
        }
        let mask = who.chars().try_fold(0u16, |mask, letter| {
            Some(
                mask | match letter {
                    'u' => 0o4700,
                    'g' => 0o2070,
                    'o' => 0o1007,
                    _ => return None,
                },
            )
        })?;
        Some(match operator {
            "+" => mode | bits & mask,
            "-" => mode & !(bits & mask),
            _ => mode & !(mask & 0o777) | bits & mask,
        })
    })
}
