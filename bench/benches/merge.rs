//! Two servers' rows become one result: in the order of a bigint, and as a sum by group.

use std::hint::black_box;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use router::merge::{
    Aggregate, AggregateKind, Bounds, GroupPlan, LegColumn, MergePlan, Merger, Output, SortKey, Step,
};

const ROWS: i64 = 1000;
const INT8: LegColumn = LegColumn { type_oid: 20, type_modifier: -1, binary: true };

/// A DataRow of these int8 values.
fn row(values: &[i64]) -> Bytes {
    let mut body = BytesMut::new();
    body.put_u8(b'D');
    body.put_u32(6 + 12 * values.len() as u32);
    body.put_u16(values.len() as u16);
    for value in values {
        body.put_i32(8);
        body.put_i64(*value);
    }
    body.freeze()
}

/// Rows as a server's connection gives them: many at once.
fn piece(rows: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    vec![Bytes::from(rows.collect::<Vec<_>>().concat())]
}

/// Rows of two legs, pushed as the merge asks for them; gives how many came out.
fn merge(plan: &MergePlan, columns: &[LegColumn], legs: &[Vec<Bytes>; 2]) -> u64 {
    let bounds = Bounds { offset: 0, limit: None, max_bytes: 64 << 20 };
    let mut merger = Merger::new(plan, columns, 2, bounds).expect("the plan fits the columns");
    let mut rest = [legs[0].iter(), legs[1].iter()];
    let (mut out, mut given) = (BytesMut::new(), 0);
    loop {
        let leg = match merger.next(&mut out).expect("the rows fit the plan") {
            Step::Done => return given,
            Step::Rows(count) => {
                given += count;
                out.clear();
                continue;
            }
            Step::Need(leg) => leg,
            Step::NeedAny => usize::from(rest[0].len() == 0),
        };
        match rest[leg].next() {
            Some(rows) => merger.push(leg, rows.clone()).expect("the rows fit the plan"),
            None => merger.finish(leg),
        }
    }
}

/// `SELECT id FROM t ORDER BY id`: the visible id and the hidden one.
fn in_order(criterion: &mut Criterion) {
    let key = SortKey { column: 1, output: None, descending: false, nulls_first: false };
    let plan = MergePlan { visible: 1, hidden: 1, order: vec![key], ..MergePlan::default() };
    let leg = |odd: i64| piece((0..ROWS).map(|number| row(&[2 * number + odd; 2])));
    let legs = [leg(0), leg(1)];
    measured(criterion, "order by bigint", &plan, &[INT8; 2], &legs);
}

/// `SELECT kind, count(*) FROM t GROUP BY kind`: two visible columns, then the hidden key and count.
fn grouped(criterion: &mut Criterion) {
    let count = Aggregate { kind: AggregateKind::Count, parts: vec![3] };
    let group = GroupPlan { keys: vec![2], outputs: vec![Output::Key, Output::Aggregate(count)] };
    let plan = MergePlan { visible: 2, hidden: 2, group: Some(group), ..MergePlan::default() };
    let leg = || piece((0..ROWS).map(|number| row(&[number, 5, number, 5])));
    measured(criterion, "count by group", &plan, &[INT8; 4], &[leg(), leg()]);
}

fn measured(
    criterion: &mut Criterion,
    name: &str,
    plan: &MergePlan,
    columns: &[LegColumn],
    legs: &[Vec<Bytes>; 2],
) {
    let mut group = criterion.benchmark_group("merge of 2 x 1000 rows");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(30);
    group.throughput(Throughput::Elements(2 * ROWS as u64));
    group.bench_function(name, |bencher| bencher.iter(|| black_box(merge(plan, columns, legs))));
    group.finish();
}

criterion_group!(benches, in_order, grouped);
criterion_main!(benches);
