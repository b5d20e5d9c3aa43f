//! Messages cut off a stream's buffer: one by one, and rows in bulk.

use std::hint::black_box;
use std::time::Duration;

use bytes::BytesMut;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use proxy::wire::{cut, cut_run, write};

const ROWS: usize = 1000;

/// An answer of many rows, as a server sends it.
fn rows() -> BytesMut {
    let mut stream = BytesMut::new();
    for _ in 0..ROWS {
        write::data_row(&mut stream, [Some(&b"42"[..]), Some(&b"a name of usual length"[..]), None]);
    }
    write::command_complete(&mut stream, "SELECT 1000");
    stream
}

/// A client's batch of a prepared statement: Bind, Execute, Sync.
fn batch() -> BytesMut {
    let mut stream = BytesMut::new();
    write::bind(&mut stream, b"", b"read", &[], [Some(&b"42"[..]), Some(&b"7"[..])], &[]);
    write::execute(&mut stream, b"", 0);
    write::sync(&mut stream);
    stream
}

fn cut_all(mut stream: BytesMut) {
    while let Ok(Some(frame)) = cut(&mut stream, 1 << 20) {
        black_box(frame.tag());
    }
}

fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frames");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2)).sample_size(30);
    let stream = rows();
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("1000 rows in bulk", |bencher| {
        bencher.iter_batched(
            || stream.clone(),
            |mut stream| black_box(cut_run(&mut stream, b"D")),
            BatchSize::SmallInput,
        );
    });
    group.bench_function("1000 rows one by one", |bencher| {
        bencher.iter_batched(|| stream.clone(), cut_all, BatchSize::SmallInput);
    });
    let stream = batch();
    group.throughput(Throughput::Bytes(stream.len() as u64));
    group.bench_function("Bind, Execute, Sync", |bencher| {
        bencher.iter_batched(|| stream.clone(), cut_all, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, frames);
criterion_main!(benches);
