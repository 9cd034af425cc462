//! The store of variables in the flash of firmware made from edk2, such as OVMF and AAVMF.
//!
//! Format: edk2, `MdeModulePkg/Include/Guid/VariableFormat.h` (authenticated variables) and
//! `MdePkg/Include/Pi/PiFirmwareVolume.h`: a firmware volume whose header is followed by a header of the store and the
//! variables, each at a multiple of four bytes. What follows the store (areas for fault-tolerant writes) depends
//! on the firmware, so a store is always made from the template that belongs to the firmware.

use super::Variable;
use crate::fields;
use crate::guid::Guid;

/// Type of a firmware volume that holds variables, `gEfiSystemNvDataFvGuid`.
const VOLUME: Guid = Guid::from_u128(0xfff1_2b8d_7696_4c8b_a985_2747_075b_4f50);
/// Type of a store of authenticated variables, `gEfiAuthenticatedVariableGuid`.
const STORE: Guid = Guid::from_u128(0xaaf3_2c78_947b_439a_a180_2e14_4ec3_7792);
/// Offset and bytes of the volume's signature.
const VOLUME_SIGNATURE: (usize, &[u8; 4]) = (40, b"_FVH");
/// Length of the store's header: GUID, length, format, state, reserved bytes.
const STORE_HEADER: usize = 28;
/// Format and state of a usable store.
const USABLE: [u8; 2] = [0x5a, 0xfe];
/// First two bytes of a variable.
const START: u16 = 0x55aa;
/// State of a variable that counts (bits are cleared as it is written).
const ADDED: u8 = 0x3f;
/// Length of a variable's header.
const HEADER: usize = 60;
/// Attribute: the variable survives a reset. Others are not stored in flash.
const NON_VOLATILE: u32 = 1;
/// The most bytes of a template: AAVMF's flash has 64 MiB.
const TEMPLATE_MAX: usize = 64 << 20;

/// Why a store cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VariableStoreError {
    /// The template is not the variables of such firmware.
    #[error("the template is no store of authenticated variables of edk2: {reason}")]
    Template {
        /// The reason.
        reason: &'static str,
    },
    /// The variables are longer than the store.
    #[error("the variables need {need} bytes, and the store of this firmware has {room}")]
    Full {
        /// Their length in bytes.
        need: usize,
        /// Length of the store in bytes.
        room: usize,
    },
    /// A variable cannot be stored.
    #[error("the variable `{name}` {reason}")]
    Variable {
        /// Its name.
        name: String,
        /// The reason.
        reason: &'static str,
    },
}

/// Makes flash with the given variables, and no others, from the template of the firmware.
///
/// # Errors
/// [`VariableStoreError`].
pub fn write(template: &[u8], variables: &[Variable]) -> Result<Vec<u8>, VariableStoreError> {
    let (start, end) = store_range(template)?;
    let mut body = Vec::new();
    for (index, variable) in variables.iter().enumerate() {
        check(variable, variables.get(..index).unwrap_or_default())?;
        // Erased flash is all ones; the start of the store is a multiple of four.
        body.resize((STORE_HEADER + body.len()).next_multiple_of(4) - STORE_HEADER, 0xff);
        push(&mut body, variable);
    }
    let room = end - start - STORE_HEADER;
    if body.len() > room {
        return Err(VariableStoreError::Full { need: body.len(), room });
    }
    body.resize(room, 0xff);
    let mut flash = template.to_vec();
    flash.splice(start + STORE_HEADER..end, body);
    Ok(flash)
}

/// The range of the store in flash, its header included.
fn store_range(template: &[u8]) -> Result<(usize, usize), VariableStoreError> {
    let refused = |reason| Err(VariableStoreError::Template { reason });
    let guid = |at| Guid::from_bytes_le(fields::array(template, at));
    let (signature_at, signature) = VOLUME_SIGNATURE;
    if template.len() > TEMPLATE_MAX {
        return refused("it is longer than 64 MiB");
    }
    if guid(16) != VOLUME || fields::array::<4>(template, signature_at) != *signature {
        return refused("it does not begin with a firmware volume for variables");
    }
    let start = usize::from(fields::u16(template, 48));
    if guid(start) != STORE {
        return refused("it has no store of authenticated variables");
    }
    if fields::array::<2>(template, start + 20) != USABLE {
        return refused("its store is not formatted");
    }
    let len = fields::u32(template, start + 16) as usize;
    match start.checked_add(len).filter(|end| len > STORE_HEADER && *end <= template.len()) {
        Some(end) => Ok((start, end)),
        None => refused("its store is longer than the file"),
    }
}

fn check(variable: &Variable, before: &[Variable]) -> Result<(), VariableStoreError> {
    let refused = |reason| Err(VariableStoreError::Variable { name: variable.name.clone(), reason });
    if variable.name.is_empty() || variable.name.contains('\0') {
        return refused("has no valid name");
    }
    if variable.data.is_empty() {
        return refused("is empty, and an empty variable does not exist");
    }
    if variable.attributes & NON_VOLATILE == 0 {
        return refused("is volatile, and flash holds others only");
    }
    if before.iter().any(|other| (&other.guid, &other.name) == (&variable.guid, &variable.name)) {
        return refused("is given twice");
    }
    Ok(())
}

/// Appends an `AUTHENTICATED_VARIABLE_HEADER`, the name and the value.
fn push(body: &mut Vec<u8>, variable: &Variable) {
    let units = variable.name.encode_utf16().chain([0]);
    let name: Vec<u8> = units.flat_map(u16::to_le_bytes).collect();
    let at = body.len();
    body.extend(START.to_le_bytes());
    body.extend([ADDED, 0]);
    body.extend(variable.attributes.to_le_bytes());
    // A counter and the number of a key, which belong to a form of authentication that is no longer used.
    body.extend([0; 8]);
    body.extend(variable.timestamp);
    body.extend([0; 4]);
    body.extend((name.len() as u32).to_le_bytes());
    body.extend((variable.data.len() as u32).to_le_bytes());
    body.extend(variable.guid.to_bytes_le());
    debug_assert_eq!(body.len() - at, HEADER, "the header's fields");
    body.extend(name);
    body.extend(&variable.data);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A template with a store of `len` bytes and an area behind it.
    fn template(len: u32) -> Vec<u8> {
        let mut flash = vec![0; 16];
        flash.extend(VOLUME.to_bytes_le());
        flash.extend(u64::from(72 + len + 64).to_le_bytes());
        flash.extend(b"_FVH");
        flash.extend([0; 4]);
        flash.extend(72_u16.to_le_bytes());
        flash.resize(72, 0);
        flash.extend(STORE.to_bytes_le());
        flash.extend(len.to_le_bytes());
        flash.extend(USABLE);
        flash.resize(72 + STORE_HEADER, 0);
        flash.resize(72 + len as usize, 0x77);
        flash.resize(72 + len as usize + 64, 0x33);
        flash
    }

    fn variable(name: &str, data: &[u8]) -> Variable {
        Variable {
            name: name.to_owned(),
            guid: STORE,
            attributes: 7,
            data: data.to_vec(),
            timestamp: [0; 16],
        }
    }

    #[test]
    fn variables_replace_those_of_the_template_and_nothing_else() {
        let template = template(400);
        let flash = write(&template, &[variable("A", b"abc"), variable("Boot0001", &[9; 40])]).unwrap();
        assert_eq!(flash.len(), template.len());
        assert_eq!(flash[..100], template[..100]);
        assert_eq!(flash[472..], template[472..]);
        assert_eq!(flash[100..104], [0xaa, 0x55, ADDED, 0]);
        assert_eq!(flash[100 + 44..100 + 60], STORE.to_bytes_le());
        assert_eq!(flash[160..168], *b"A\0\0\0abc\xff");
        assert_eq!(flash[168..170], [0xaa, 0x55]);
        assert!(flash[168 + 60 + 18 + 40..472].iter().all(|byte| *byte == 0xff));
        assert!(write(&template, &[]).unwrap()[100..472].iter().all(|byte| *byte == 0xff));
    }

    #[test]
    fn what_cannot_be_stored_is_refused_with_its_reason() {
        let good = template(400);
        let full = write(&good, &[variable("A", &[0; 400])]).unwrap_err();
        assert_eq!(full, VariableStoreError::Full { need: 464, room: 372 });
        let volatile = Variable { attributes: 6, ..variable("A", b"a") };
        for wrong in [variable("", b"a"), variable("A\0", b"a"), variable("A", b""), volatile] {
            assert!(matches!(write(&good, &[wrong]), Err(VariableStoreError::Variable { .. })));
        }
        let twice = [variable("A", b"a"), variable("B", b"a"), variable("A", b"b")];
        assert!(write(&good, &twice).unwrap_err().to_string().contains("given twice"));
        for damaged_at in [16, 40, 48, 72, 92, 90] {
            let mut damaged = good.clone();
            damaged[damaged_at] ^= 0xff;
            assert!(matches!(write(&damaged, &[]), Err(VariableStoreError::Template { .. })), "{damaged_at}");
        }
        for len in 0..100 {
            assert!(write(&good[..len], &[]).is_err());
        }
    }
}
