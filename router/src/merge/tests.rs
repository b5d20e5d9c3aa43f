//! Merges against what one list of all rows would give.

use bytes::{BufMut, Bytes, BytesMut};
use proptest::prelude::*;

use super::numeric::Numeric;
use super::value::ValueType;
use super::*;

const INT8: LegColumn = LegColumn { type_oid: 20, type_modifier: -1, binary: true };
const TEXT_NUMERIC: LegColumn = LegColumn { type_oid: 1700, type_modifier: -1, binary: false };
const NUMERIC: LegColumn = LegColumn { type_oid: 1700, type_modifier: -1, binary: true };

fn row(fields: &[Option<&[u8]>]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_slice(&[b'D', 0, 0, 0, 0]);
    body.put_u16(fields.len() as u16);
    for field in fields {
        match field {
            None => body.put_i32(-1),
            Some(field) => {
                body.put_i32(field.len() as i32);
                body.extend_from_slice(field);
            }
        }
    }
    sealed(body)
}

/// A message with its length.
fn sealed(mut message: BytesMut) -> Bytes {
    let length = message.len() as u32 - 1;
    message[1..5].copy_from_slice(&length.to_be_bytes());
    message.freeze()
}

fn int_row(values: &[Option<i64>]) -> Bytes {
    let fields: Vec<_> = values.iter().map(|value| value.map(i64::to_be_bytes)).collect();
    row(&fields.iter().map(|field| field.as_ref().map(|bytes| bytes.as_slice())).collect::<Vec<_>>())
}

fn unbounded() -> Bounds {
    Bounds { offset: 0, limit: None, max_bytes: 1 << 20 }
}

/// Drives a merge over legs' rows; the fields of the rows it gives.
fn run(merger: Merger, legs: Vec<Vec<Bytes>>) -> Result<Vec<Vec<Option<Bytes>>>, MergeError> {
    run_in_pieces(merger, legs, 1)
}

/// The same with so many rows pushed at once.
fn run_in_pieces(
    mut merger: Merger,
    legs: Vec<Vec<Bytes>>,
    size: usize,
) -> Result<Vec<Vec<Option<Bytes>>>, MergeError> {
    let legs: Vec<Vec<Bytes>> = legs
        .into_iter()
        .map(|rows| rows.chunks(size).map(|rows| Bytes::from(rows.concat())).collect())
        .collect();
    let count = legs.len();
    let mut legs: Vec<_> = legs.into_iter().map(Vec::into_iter).collect();
    let (mut open, mut out, mut rows, mut turn) = (vec![true; count], BytesMut::new(), Vec::new(), 0);
    loop {
        let leg = match merger.next(&mut out)? {
            Step::Done => return Ok(rows),
            Step::Rows(count) => {
                for _ in 0..count {
                    let length = u32::from_be_bytes(out[1..5].try_into().unwrap()) as usize;
                    rows.push(fields_of(&out.split_to(length + 1)));
                }
                assert!(count > 0 && out.is_empty());
                continue;
            }
            Step::Need(leg) => leg,
            Step::NeedAny => {
                turn += 1;
                (0..count).map(|leg| (leg + turn) % count).find(|leg| open[*leg]).unwrap()
            }
        };
        match legs[leg].next() {
            Some(row) => merger.push(leg, row)?,
            None => {
                open[leg] = false;
                merger.finish(leg);
            }
        }
    }
}

fn fields_of(message: &[u8]) -> Vec<Option<Bytes>> {
    assert_eq!(message[0], b'D');
    assert_eq!(i32::from_be_bytes(message[1..5].try_into().unwrap()) as usize, message.len() - 1);
    let columns = usize::from(u16::from_be_bytes(message[5..7].try_into().unwrap()));
    let mut places = super::row::Places::default();
    let row = places.find(&message[5..], columns).unwrap();
    (0..columns).map(|column| row.field(column).map(Bytes::copy_from_slice)).collect()
}

fn int(field: &Option<Bytes>) -> Option<i64> {
    field.as_ref().map(|bytes| i64::from_be_bytes(bytes.as_ref().try_into().unwrap()))
}

fn key(column: usize, descending: bool, nulls_first: bool) -> SortKey {
    SortKey { column, output: None, descending, nulls_first }
}

fn order(values: &mut [Option<i64>], descending: bool, nulls_first: bool) {
    values.sort_by_key(|value| {
        let null = value.is_none() != nulls_first;
        (null, value.map(|value| if descending { -i128::from(value) } else { value.into() }))
    });
}

fn aggregate(kind: AggregateKind, parts: &[usize]) -> Output {
    Output::Aggregate(Aggregate { kind, parts: parts.to_vec() })
}

proptest! {
    #[test]
    fn a_merge_of_sorted_legs_is_the_sort_of_all(
        legs in prop::collection::vec(prop::collection::vec(prop::option::of(-20i64..20), 0..20), 1..5),
        descending: bool, nulls_first: bool, offset in 0u64..5, limit in prop::option::of(0u64..30),
        distinct: bool, size in 1usize..5,
    ) {
        let plan = MergePlan {
            visible: 1, hidden: 1, order: vec![key(1, descending, nulls_first)],
            distinct: if distinct { vec![1] } else { vec![] }, ..MergePlan::default()
        };
        let bounds = Bounds { offset, limit, ..unbounded() };
        let mut expected: Vec<_> = legs.concat();
        order(&mut expected, descending, nulls_first);
        if distinct { expected.dedup(); }
        let expected: Vec<_> = expected.into_iter().skip(offset as usize).take(limit.unwrap_or(99) as usize).collect();
        let sorted = legs.into_iter().map(|mut leg| {
            order(&mut leg, descending, nulls_first);
            leg.into_iter().map(|value| int_row(&[value, value])).collect()
        }).collect::<Vec<Vec<_>>>();
        let merger = Merger::new(&plan, &[INT8, INT8], sorted.len(), bounds).unwrap();
        let rows = run_in_pieces(merger, sorted, size).unwrap();
        let rows: Vec<_> = rows.iter().map(|row| int(&row[0])).collect();
        prop_assert_eq!(rows, expected);
    }

    #[test]
    fn sums_and_averages_are_those_of_all_rows(
        values in prop::collection::vec((any::<i32>(), 0u8..6), 1..20),
    ) {
        let text = |value: i64, scale: u8| bigdecimal::BigDecimal::new(value.into(), scale.into());
        let sum: bigdecimal::BigDecimal = values.iter().map(|(value, scale)| text((*value).into(), *scale)).sum();
        let scale = values.iter().map(|(_, scale)| i64::from(*scale)).max().unwrap_or(0);
        let legs = values.iter().map(|(value, scale)| {
            let part = decimal(&text((*value).into(), *scale).to_plain_string());
            vec![row(&[None, Some(&part)])]
        }).collect();
        let plan = MergePlan {
            visible: 1, hidden: 1,
            group: Some(GroupPlan { keys: vec![], outputs: vec![aggregate(AggregateKind::Sum, &[1])] }),
            ..MergePlan::default()
        };
        let merger = Merger::new(&plan, &[TEXT_NUMERIC, NUMERIC], values.len(), unbounded()).unwrap();
        let rows = run(merger, legs).unwrap();
        let given = String::from_utf8(rows[0][0].as_ref().unwrap().to_vec()).unwrap();
        prop_assert_eq!(given, sum.with_scale(scale).to_plain_string());
    }

    #[test]
    fn hostile_rows_are_errors(body in prop::collection::vec(any::<u8>(), 0..40)) {
        let plan = MergePlan { visible: 1, hidden: 1, order: vec![key(1, false, false)], ..MergePlan::default() };
        let mut merger = Merger::new(&plan, &[INT8, NUMERIC], 1, unbounded()).unwrap();
        let _ = merger.push(0, body.clone().into());
        let _ = merger.next(&mut BytesMut::new());
        let _ = Numeric::decode(&body).map(|value| (value.text(), value.average(3)));
        let mut merger = Merger::new(&plan, &[INT8, NUMERIC], 1, unbounded()).unwrap();
        let _ = merger.push(0, row(&[None, Some(&body)]));
        let _ = merger.next(&mut BytesMut::new());
    }

    #[test]
    fn rows_without_an_order_all_come(
        legs in prop::collection::vec(prop::collection::vec(prop::option::of(-20i64..20), 0..20), 1..4),
        offset in 0u64..9, limit in prop::option::of(0u64..30), distinct: bool, size in 1usize..5,
    ) {
        let hidden = usize::from(distinct);
        let plan = MergePlan {
            visible: 1, hidden, distinct: if distinct { vec![1] } else { vec![] }, ..MergePlan::default()
        };
        let mut all: Vec<_> = legs.concat();
        all.sort_unstable();
        if distinct { all.dedup(); }
        let wanted = all.len().saturating_sub(offset as usize).min(limit.unwrap_or(99) as usize);
        let of = |leg: &Vec<Option<i64>>| leg.iter().map(|value| int_row(&vec![*value; 1 + hidden])).collect();
        let rows: Vec<Vec<Bytes>> = legs.iter().map(of).collect();
        let merger = Merger::new(&plan, &vec![INT8; 1 + hidden], rows.len(), Bounds { offset, limit, ..unbounded() }).unwrap();
        let given = run_in_pieces(merger, rows, size).unwrap();
        prop_assert_eq!(given.len(), wanted);
        let mut left = all;
        for row in given {
            let place = left.iter().position(|value| *value == int(&row[0]));
            prop_assert!(place.map(|place| left.swap_remove(place)).is_some(), "a row of none");
        }
    }

    #[test]
    fn values_are_one_group_just_where_they_are_equal(
        one in (any::<i16>(), 0u8..3), other in (any::<i16>(), 0u8..3), floats: (bool, bool),
    ) {
        let text = |(value, scale): (i16, u8)| {
            decimal(&bigdecimal::BigDecimal::new((value / 4).into(), scale.into()).to_plain_string())
        };
        let identity = |value_type: ValueType, field: &[u8]| {
            let mut identity = Vec::new();
            value_type.identify(Some(field), &mut identity).unwrap();
            (identity, value_type.decode(field).unwrap())
        };
        let zero = |negative: bool| if negative { (-0.0f64).to_be_bytes() } else { 0.0f64.to_be_bytes() };
        for (value_type, one, other) in [
            (ValueType::Numeric, text(one), text(other)),
            (ValueType::Float8, zero(floats.0).to_vec(), zero(floats.1).to_vec()),
            (ValueType::Padded, vec![b' '; usize::from(one.1)], vec![b' '; usize::from(other.1)]),
            (ValueType::Int2, one.0.to_be_bytes().to_vec(), other.0.to_be_bytes().to_vec()),
        ] {
            let (one, other) = (identity(value_type, &one), identity(value_type, &other));
            prop_assert_eq!(one.0 == other.0, one.1 == other.1);
        }
    }
}

/// The binary format of a plain decimal text.
fn decimal(text: &str) -> Vec<u8> {
    let (negative, plain) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = plain.split_once('.').unwrap_or((plain, ""));
    let padded = format!("{whole:0>40}{fraction:0<40}");
    let digits = padded.as_bytes().chunks(4).map(|four| std::str::from_utf8(four).unwrap().parse().unwrap());
    let value = super::decimal::Decimal::new(negative, 9, digits.collect(), fraction.len() as u16);
    Numeric::Finite(value).binary()
}

fn average(sum: &str, count: u64) -> String {
    Numeric::decode(&decimal(sum)).unwrap().average(count).text()
}

#[test]
fn an_average_has_the_scale_and_rounding_of_postgresql() {
    assert_eq!(average("3", 2), "1.5000000000000000");
    assert_eq!(average("10", 3), "3.3333333333333333");
    assert_eq!(average("2", 3), "0.66666666666666666667");
    assert_eq!(average("-2", 3), "-0.66666666666666666667");
    assert_eq!(average("0", 3), "0.00000000000000000000");
    assert_eq!(average("1000000", 3), "333333.333333333333");
}

#[test]
fn numbers_that_differ_in_scale_only_are_equal() {
    let number = |text| Numeric::decode(&decimal(text)).unwrap();
    assert_eq!(number("1.0"), number("1.00"));
    assert!(number("-2") < number("-1.5") && number("-1.5") < number("0") && number("0") < number("0.001"));
    assert!(number("9999999") < Numeric::PositiveInfinity && Numeric::PositiveInfinity < Numeric::Nan);
}

fn all_aggregates() -> (MergePlan, Vec<LegColumn>) {
    let outputs = vec![
        aggregate(AggregateKind::Count, &[3]),
        aggregate(AggregateKind::Average, &[4, 3]),
        aggregate(AggregateKind::Max, &[4]),
    ];
    let group = Some(GroupPlan { keys: vec![], outputs });
    let columns = vec![INT8, TEXT_NUMERIC, INT8, INT8, INT8];
    (MergePlan { visible: 3, hidden: 2, group, ..MergePlan::default() }, columns)
}

#[test]
fn aggregates_over_no_rows_are_one_row() {
    let (plan, columns) = all_aggregates();
    let empty = || vec![int_row(&[Some(0), None, None, Some(0), None])];
    let rows = run(Merger::new(&plan, &columns, 2, unbounded()).unwrap(), vec![empty(), empty()]).unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((int(&rows[0][0]), &rows[0][1], &rows[0][2]), (Some(0), &None, &None));
}

#[test]
fn aggregates_combine_over_the_legs() {
    let (plan, columns) = all_aggregates();
    let one = vec![int_row(&[Some(2), None, Some(30), Some(2), Some(30)])];
    let other = vec![int_row(&[Some(1), None, Some(20), Some(1), Some(20)])];
    let rows = run(Merger::new(&plan, &columns, 2, unbounded()).unwrap(), vec![one, other]).unwrap();
    assert_eq!((int(&rows[0][0]), int(&rows[0][2])), (Some(3), Some(30)));
    assert_eq!(rows[0][1].as_deref(), Some(b"16.6666666666666667".as_slice()));
}

fn counts_by_key(max_bytes: usize) -> Merger {
    let outputs = vec![Output::Key, aggregate(AggregateKind::Count, &[3])];
    let by_count = SortKey { output: Some(1), ..key(3, true, true) };
    let plan = MergePlan {
        visible: 2,
        hidden: 2,
        group: Some(GroupPlan { keys: vec![2], outputs }),
        order: vec![by_count, key(2, false, false)],
        ..MergePlan::default()
    };
    Merger::new(&plan, &[INT8; 4], 2, Bounds { max_bytes, ..unbounded() }).unwrap()
}

#[test]
fn groups_are_ordered_by_their_aggregates() {
    let group = |key, count: i64| int_row(&[key, Some(count), key, Some(count)]);
    let one = vec![group(Some(1), 2), group(None, 1), group(Some(3), 9)];
    let other = vec![group(Some(1), 3), group(None, 4)];
    let rows = run(counts_by_key(1 << 20), vec![one, other]).unwrap();
    let rows: Vec<_> = rows.iter().map(|row| (int(&row[0]), int(&row[1]))).collect();
    assert_eq!(rows, [(Some(3), Some(9)), (Some(1), Some(5)), (None, Some(5))]);
}

#[test]
fn groups_beyond_the_bound_are_refused() {
    let rows = (0..100).map(|key| int_row(&[Some(key), Some(1), Some(key), Some(1)])).collect();
    let error = run(counts_by_key(5000), vec![rows, vec![]]).unwrap_err();
    assert_eq!((&error, error.sqlstate()), (&MergeError::TooLarge(5000), "53400"));
}

#[test]
fn a_sum_beyond_bigint_is_refused_as_postgresql_says_it() {
    let group = Some(GroupPlan { keys: vec![], outputs: vec![aggregate(AggregateKind::Sum, &[1])] });
    let plan = MergePlan { visible: 1, hidden: 1, group, ..MergePlan::default() };
    let leg = || vec![int_row(&[Some(0), Some(i64::MAX)])];
    let error = run(Merger::new(&plan, &[INT8; 2], 2, unbounded()).unwrap(), vec![leg(), leg()]).unwrap_err();
    assert_eq!((error.to_string().as_str(), error.sqlstate()), ("bigint out of range", "22003"));
}

#[test]
fn a_type_that_is_not_known_to_compare_alike_is_refused_before_any_row() {
    let plan = MergePlan { visible: 1, hidden: 1, order: vec![key(1, false, false)], ..MergePlan::default() };
    for type_oid in [1186, 3802, 114, 16_400, 1266] {
        let error = Merger::new(&plan, &[INT8, LegColumn { type_oid, ..INT8 }], 2, unbounded()).unwrap_err();
        assert_eq!(error.sqlstate(), "0A000");
    }
}

#[test]
fn row_counts_are_read_as_postgresql_reads_them() {
    let plan = MergePlan {
        limit: Some(Limit::Parameter(1)),
        offset: Some(Limit::Parameter(2)),
        ..MergePlan::default()
    };
    let resolve = |limit, offset| {
        Bounds::resolve(&plan, |number| Some((false, if number == 1 { limit } else { offset })), 9)
    };
    let some = |text: &'static str| Some(text.as_bytes());
    assert_eq!(resolve(some("3"), None), Ok(Bounds { limit: Some(3), offset: 0, max_bytes: 9 }));
    assert_eq!(resolve(None, some(" 2 ")), Ok(Bounds { limit: None, offset: 2, max_bytes: 9 }));
    assert_eq!(resolve(some("-1"), None), Err(MergeError::Negative(Clause::Limit)));
}
