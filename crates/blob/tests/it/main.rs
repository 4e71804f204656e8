//! What every form of the blob store must do, on files (a test for each case) and on a real S3 service
//! (one test for all cases, each on a bucket of its own); then what is particular to either.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod conformance;
mod files;
mod s3;
mod s3_faults;
mod world;

use std::{future::Future, pin::Pin};

use world::World;

type Case = (&'static str, fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>);

macro_rules! conformance {
    ($($case:ident,)+) => {
        mod on_files {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $case() {
                crate::conformance::$case(crate::World::files()).await;
            })+
        }

        const CASES: &[Case] = &[$((stringify!($case), |world| Box::pin(conformance::$case(world))),)+];
    };
}

conformance! {
    what_was_put_is_named_by_its_hash_and_comes_back_unchanged,
    a_long_file_comes_in_and_out_unchanged,
    every_range_reads_the_same_bytes_as_the_source,
    chunks_are_neither_empty_nor_larger_than_a_buffer,
    a_range_beyond_the_end_is_cut_there,
    an_object_without_bytes_can_be_kept_too,
    the_same_bytes_put_by_many_at_once_are_one_object,
    putting_the_same_bytes_again_renews_the_time,
    an_object_deleted_by_another_process_cannot_be_opened,
    deleting_what_is_not_there_is_a_success,
    a_store_that_nothing_was_put_into_is_empty,
    keys_that_we_never_made_are_refused_by_every_method,
    a_source_that_is_not_there_is_an_error_and_leaves_nothing,
    the_list_has_every_object_with_its_size,
    a_put_that_is_dropped_publishes_nothing,
    a_store_that_can_be_used_says_so,
    many_readers_of_many_objects_each_get_their_own_bytes,
    a_reader_who_leaves_disturbs_nobody,
}
