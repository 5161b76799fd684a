//! Primitives through writer and reader in both flavours, and what a reader must not believe.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::primitive::Writer;

proptest! {
    #[test]
    fn what_is_written_is_read(
        flexible: bool,
        numbers in any::<(i8, bool, i16, u16, i32, i64, u32)>(),
        id: [u8; 16],
        text in option::of(".{0,200}"),
        bytes in option::of(vec(any::<u8>(), 0..300)),
        count in option::of(0..20usize),
    ) {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, flexible);
        writer.i8(numbers.0);
        writer.boolean(numbers.1);
        writer.i16(numbers.2);
        writer.u16(numbers.3);
        writer.i32(numbers.4);
        writer.i64(numbers.5);
        writer.unsigned_varint(numbers.6);
        writer.uuid(&id);
        writer.nullable_string(text.as_deref());
        writer.nullable_bytes(bytes.as_deref());
        writer.nullable_array_count(count);
        (0..count.unwrap_or(0)).for_each(|_| writer.i8(1));
        writer.no_tagged_fields();

        let mut reader = Reader::new(&out, 0, flexible);
        prop_assert_eq!(reader.i8(), Ok(numbers.0));
        prop_assert_eq!(reader.boolean(), Ok(numbers.1));
        prop_assert_eq!(reader.i16(), Ok(numbers.2));
        prop_assert_eq!(reader.u16(), Ok(numbers.3));
        prop_assert_eq!(reader.i32(), Ok(numbers.4));
        prop_assert_eq!(reader.i64(), Ok(numbers.5));
        prop_assert_eq!(reader.unsigned_varint(), Ok(numbers.6));
        prop_assert_eq!(reader.uuid(), Ok(id));
        prop_assert_eq!(reader.nullable_string(), Ok(text.as_deref()));
        prop_assert_eq!(reader.nullable_bytes(), Ok(bytes.as_deref()));
        prop_assert_eq!(reader.nullable_array_count(1), Ok(count.map(|count| count as u32)));
        (0..count.unwrap_or(0)).for_each(|_| assert_eq!(reader.i8(), Ok(1)));
        prop_assert_eq!(reader.skip_tagged_fields(), Ok(()));
        prop_assert_eq!(reader.remaining_bytes(), 0);
    }
}

fn classic(frame: &[u8]) -> Reader<'_> {
    Reader::new(frame, 0, false)
}

fn flexible(frame: &[u8]) -> Reader<'_> {
    Reader::new(frame, 0, true)
}

#[test]
fn null_is_refused_where_the_schema_has_none() {
    assert_eq!(
        classic(&[0xff, 0xff]).string(),
        Err(WireError::UnexpectedNull)
    );
    assert_eq!(flexible(&[0]).string(), Err(WireError::UnexpectedNull));
    assert_eq!(classic(&[0xff; 4]).bytes(), Err(WireError::UnexpectedNull));
    assert_eq!(
        flexible(&[0]).array_count(1),
        Err(WireError::UnexpectedNull)
    );
    assert_eq!(
        classic(&[0xff; 4]).array_count(1),
        Err(WireError::UnexpectedNull)
    );
}

#[test]
fn lengths_below_null_are_refused() {
    assert_eq!(
        classic(&[0xff, 0xfe]).nullable_string(),
        Err(WireError::NegativeLength { length: -2 })
    );
    let smallest = i32::MIN.to_be_bytes();
    assert_eq!(
        classic(&smallest).nullable_bytes(),
        Err(WireError::NegativeLength { length: i32::MIN })
    );
    assert_eq!(
        classic(&smallest).nullable_array_count(1),
        Err(WireError::NegativeLength { length: i32::MIN })
    );
}

#[test]
fn a_count_is_held_against_what_its_elements_take_at_least() {
    let frame = [0, 0, 0, 3, 1, 1, 1, 1, 1, 1];
    assert_eq!(classic(&frame).array_count(2), Ok(3));
    let error = WireError::CountBeyondFrame {
        count: 3,
        remaining_bytes: 6,
    };
    assert_eq!(classic(&frame).array_count(3), Err(error));
    let most = [0xff, 0xff, 0xff, 0xff, 0x0f];
    let error = WireError::CountBeyondFrame {
        count: u32::MAX - 1,
        remaining_bytes: 0,
    };
    assert_eq!(flexible(&most).array_count(1), Err(error));
}

#[test]
fn a_length_beyond_the_frame_is_truncated() {
    let error = WireError::Truncated {
        needed_bytes: 5,
        remaining_bytes: 2,
    };
    assert_eq!(classic(&[0, 5, b'a', b'b']).string(), Err(error));
    assert_eq!(flexible(&[6, b'a', b'b']).string(), Err(error));
    assert_eq!(flexible(&[6, b'a', b'b']).bytes(), Err(error));
}

#[test]
fn a_varint_ends_within_five_bytes() {
    assert_eq!(
        classic(&[0x80; 9]).unsigned_varint(),
        Err(WireError::VarintTooLong)
    );
    assert!(matches!(
        classic(&[0x80; 4]).unsigned_varint(),
        Err(WireError::Truncated { .. })
    ));
    assert!(matches!(
        classic(&[]).unsigned_varint(),
        Err(WireError::Truncated { .. })
    ));
}

#[test]
fn a_string_is_utf8() {
    assert_eq!(classic(&[0, 1, 0xff]).string(), Err(WireError::InvalidUtf8));
}

#[test]
fn a_tagged_field_is_read_whole_or_stepped_over() {
    // Two fields: tag 0 of two bytes, tag 9 of three.
    let frame = [2, 0, 2, 1, 2, 9, 3, 7, 7, 7, 0xee];
    let mut reader = flexible(&frame);
    let mut seen = None;
    let read = reader.tagged_fields(|tag, field| {
        if tag == 0 {
            seen = Some(field.i16()?);
        }
        Ok(tag == 0)
    });
    assert_eq!(
        (read, seen, reader.remaining_bytes()),
        (Ok(()), Some(0x0102), 1)
    );

    let part = flexible(&frame).tagged_fields(|_, field| field.i8().map(|_| true));
    assert_eq!(part, Err(WireError::InvalidTag { tag: 0 }));
    let beyond = flexible(&frame).tagged_fields(|_, field| field.i32().map(|_| true));
    assert_eq!(
        beyond,
        Err(WireError::Truncated {
            needed_bytes: 4,
            remaining_bytes: 2
        })
    );
}

#[test]
fn a_classic_message_has_no_tagged_fields() {
    let mut reader = classic(&[1, 2, 3]);
    reader.skip_tagged_fields().unwrap();
    assert_eq!(reader.position(), 0);
}
