//! The syntax of values in a recipe: those of [`amiforge_image::values`], modes, owners, ids, paths. An error is a
//! sentence for the user; the caller adds the location.

pub(crate) use amiforge_image::values::{date_of_day, epoch, image_name, moment, seconds_in_range, size};
use amiforge_rootfs::steps::accounts::Principal;

/// Permission bits in octal.
pub(crate) fn mode(text: &str) -> Result<u16, String> {
    let octal = (3..=4).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let bits = octal.then(|| u16::from_str_radix(text, 8).ok()).flatten();
    bits.ok_or_else(|| format!("`{text}` is not a mode of three or four octal digits, such as `0644`"))
}

/// A user or group by name or number.
pub(crate) fn principal(text: &str) -> Result<Principal, String> {
    if let Ok(id) = text.parse() {
        return Ok(Principal::Id(id));
    }
    let name = !text.is_empty() && !text.contains([':', '/', ' ', '\n', '\0', ',']);
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if name && !digits {
        Ok(Principal::Name(text.to_owned()))
    } else {
        Err(format!("`{text}` is neither a name nor a number of a user or group"))
    }
}

/// `USER` or `USER:GROUP`, by names or numbers.
pub(crate) fn owner(text: &str) -> Result<(Principal, Option<Principal>), String> {
    match text.split_once(':') {
        Some((user, group)) => Ok((principal(user)?, Some(principal(group)?))),
        None => Ok((principal(text)?, None)),
    }
}

/// `UID:GID`, by numbers.
pub(crate) fn owner_ids(text: &str) -> Result<(u32, u32), String> {
    let ids = text.split_once(':').and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)));
    ids.ok_or_else(|| format!("`{text}` is not an owner and a group by number, such as `33:33`"))
}

/// An absolute path in the image, without `.`, `..` and repeated slashes; `/` for the root.
pub(crate) fn image_path(text: &str) -> Result<String, String> {
    let names: Vec<_> = text.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
    if !text.starts_with('/') || names.contains(&"..") || text.contains('\0') {
        return Err(format!(
            "`{text}` is not an absolute path in the image without `..`, such as `/etc/motd`"
        ));
    }
    if let Some(long) = names.iter().find(|name| name.len() > amiforge_formats::tree::NAME_MAX) {
        return Err(format!("the name `{long}` has {} bytes, and 255 is the most", long.len()));
    }
    Ok(format!("/{}", names.join("/")))
}

/// A FAT volume id such as `1A2B-3C4D`.
pub(crate) fn volume_id(text: &str) -> Result<u32, String> {
    let halves = text.split_once('-').filter(|(high, low)| high.len() == 4 && low.len() == 4);
    let hex = |half: &str| half.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = halves.filter(|(high, low)| hex(high) && hex(low));
    id.and_then(|(high, low)| u32::from_str_radix(&format!("{high}{low}"), 16).ok())
        .ok_or_else(|| format!("`{text}` is not a FAT volume id such as `1A2B-3C4D`"))
}

/// Bytes in hexadecimal.
pub(crate) fn hex(text: &str) -> Result<Vec<u8>, String> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0);
    let digits = digits.ok_or_else(|| format!("`{text}` is not pairs of hexadecimal digits"))?;
    Ok(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_owners_and_ids() {
        assert_eq!(mode("4755"), Ok(0o4755));
        assert!(["", "8", "0888", "644x", "+644", "07777", "44"].iter().all(|text| mode(text).is_err()));
        assert_eq!(owner("33:adm"), Ok((Principal::Id(33), Some(Principal::Name("adm".into())))));
        assert_eq!(owner("root"), Ok((Principal::Name("root".into()), None)));
        assert!(["", ":", "a:", "a:b:c", "99999999999"].iter().all(|text| owner(text).is_err()));
        assert_eq!(owner_ids("1:2"), Ok((1, 2)));
        assert!(owner_ids("root:root").is_err());
        assert_eq!(volume_id("1a2B-3C4d"), Ok(0x1a2b_3c4d));
        assert!(["1a2b3c4d", "+a2b-3c4d", "1a2b-3c4"].iter().all(|text| volume_id(text).is_err()));
        assert_eq!(hex("00ff"), Ok(vec![0, 255]));
        assert!(hex("0").is_err() && hex("0g").is_err());
    }

    #[test]
    fn paths_are_absolute_and_plain() {
        assert_eq!(image_path("/"), Ok("/".into()));
        assert_eq!(image_path("//a/./b/"), Ok("/a/b".into()));
        assert!(
            ["", "a", "/a/../b", &format!("/{}", "x".repeat(256))]
                .iter()
                .all(|path| image_path(path).is_err())
        );
    }
}
