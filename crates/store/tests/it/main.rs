//! What every database must do, on SQLite (a test for each case) and on PostgreSQL (one test for all
//! cases, each on its own database of one server).
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod audit;
mod catalog;
mod events;
mod groups;
mod job_runs;
mod jobs;
mod library;
mod links;
mod overview;
mod queue;
mod restores;
mod schema;
mod sessions;
mod sqlite_files;
mod transfer;
mod users;
mod world;

use std::{future::Future, pin::Pin, time::Duration};

use futures::StreamExt as _;
use world::World;

/// A case that takes longer hangs.
const CASE_LIMIT: Duration = Duration::from_secs(120);
/// Cases that run on PostgreSQL at the same time.
const AT_ONCE: usize = 4;

type Case = (&'static str, fn(World) -> Pin<Box<dyn Future<Output = ()> + Send>>);

macro_rules! conformance {
    ($($area:ident { $($case:ident,)+ })+) => {
        mod sqlite {
            $(mod $area {
                $(#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    crate::$area::$case(crate::World::sqlite().await).await;
                })+
            })+
        }

        const CASES: &[Case] = &[
            $($((concat!(stringify!($area), "::", stringify!($case)), |world| Box::pin($area::$case(world))),)+)+
        ];
    };
}

conformance! {
    users {
        an_account_is_found_by_its_id_and_by_its_address_in_any_case,
        a_taken_address_is_a_conflict_and_stores_no_token,
        parallel_sign_ups_of_one_address_make_one_account,
        a_verification_token_works_once_and_until_it_expires,
        a_newer_token_makes_the_earlier_one_void,
        parallel_uses_of_a_token_accept_one,
        the_bootstrap_address_becomes_admin_only_while_there_is_none,
        a_set_up_token_makes_one_admin,
        a_taken_address_leaves_the_set_up_token_usable,
        several_ways_to_become_the_first_admin_at_once_make_one,
        a_new_password_ends_all_sessions,
        a_disabled_account_has_no_sessions_and_is_no_admin,
        a_role_is_changed_and_told,
        changes_of_unknown_accounts_find_nobody,
        accounts_are_listed_newest_first_in_pages,
        accounts_are_filtered_by_address_and_status,
    }
    links {
        each_sign_up_link_brings_its_own_password,
        a_sign_up_link_changes_no_password_that_was_chosen_since,
        a_reset_link_sets_the_password_and_ends_all_else,
        a_disabled_account_cannot_be_reset,
        links_of_one_account_used_at_once_do_not_block_each_other,
    }
    sessions {
        a_session_lives_until_it_ends,
        a_session_is_dead_when_it_expires_or_its_account_is_disabled,
        tokens_follow_each_other_in_a_chain,
        the_same_token_again_within_the_grace_gets_the_same_successor,
        a_replay_after_the_grace_ends_the_session,
        a_replay_after_the_successor_was_used_ends_the_session,
        unknown_and_expired_tokens_are_refused,
        tokens_of_ended_sessions_and_disabled_accounts_are_refused,
        eight_parallel_rotations_make_one_successor,
        any_token_of_a_session_ends_it_once,
        dead_sessions_and_old_tokens_are_forgotten,
    }
    catalog {
        a_published_song_is_found_with_all_its_data,
        known_sources_are_told_with_whether_one_has_them,
        an_edit_changes_only_its_own_entry,
        an_edit_of_what_is_not_there_changes_nothing,
        a_removed_entry_leaves_other_libraries_alone,
        a_song_without_owners_is_forgotten_after_its_grace,
        a_song_that_finds_an_owner_again_is_kept,
        owners_who_come_and_go_at_once_never_lose_a_song,
        a_deleted_song_leaves_all_libraries,
        songs_deleted_at_once_and_edited_meanwhile_do_not_block_each_other,
        a_song_is_served_only_to_those_who_may_hear_it,
        songs_are_listed_with_their_owners,
        totals_count_everything,
        referenced_keys_are_told_from_others,
    }
    library {
        every_order_gives_each_song_once_over_its_pages,
        titles_are_sorted_without_regard_to_case_and_accents,
        own_words_decide_the_place_in_the_order,
        a_search_needs_all_words_in_any_case,
        wildcards_are_searched_for_as_they_are,
        cursors_of_other_lists_and_of_nobody_are_refused,
        libraries_are_private,
        a_page_that_was_read_before_shows_every_change_of_another_process,
        songs_are_filtered_by_the_whole_name_of_artist_and_album,
    }
    groups {
        artists_are_listed_by_name_with_their_songs_and_albums,
        albums_are_listed_by_name_with_their_common_artist,
        groups_follow_the_owners_own_words,
        a_group_is_spelled_as_its_first_song_spells_it,
        groups_are_searched_by_words_and_paged,
        groups_of_a_large_library_are_whole_and_their_times_are_told,
    }
    restores {
        a_removed_song_comes_back_as_it_was,
        a_song_that_is_there_is_left_as_it_is,
        what_was_removed_long_ago_or_never_was_there_does_not_come_back,
        an_import_makes_an_earlier_removal_past,
        a_song_that_can_come_back_is_not_forgotten,
        restores_and_removals_at_once_keep_the_count,
    }
    overview {
        traffic_is_counted_once_for_each_node_and_minute,
        activity_falls_into_its_buckets,
        old_traffic_is_forgotten,
    }
    jobs {
        a_wish_becomes_a_queued_job_and_is_told,
        the_same_wish_again_is_the_same_job,
        parallel_wishes_of_one_account_make_one_job,
        two_accounts_have_a_job_each_for_one_source,
        an_existing_song_is_linked_at_once,
        a_song_one_has_already_brings_no_second_job,
        parallel_wishes_for_an_existing_song_make_one_entry,
        jobs_of_others_are_not_found,
        jobs_are_listed_newest_first_in_pages,
        jobs_are_filtered_by_account_status_and_words,
        a_queued_job_is_cancelled_at_once,
        a_running_job_is_asked_to_stop,
        a_finished_job_cannot_be_cancelled,
        a_failed_job_is_tried_again_with_fresh_attempts,
        only_ended_jobs_are_tried_again,
        a_job_is_not_tried_again_beside_a_live_one,
        the_queue_is_counted,
        finished_jobs_are_forgotten,
        the_databases_clock_is_read,
    }
    job_runs {
        a_claim_holds_all_that_the_work_needs,
        jobs_are_claimed_in_the_order_they_came,
        one_source_is_worked_on_by_one,
        a_heartbeat_tells_only_of_changes,
        a_heartbeat_hears_of_cancellation,
        a_publication_writes_song_entry_and_job_together,
        a_song_that_exists_by_now_is_linked_instead,
        a_job_is_linked_to_the_song_of_another,
        hints_fill_only_what_the_source_does_not_say,
        a_lost_claim_can_write_nothing,
        a_failure_that_passes_waits_as_queued,
        a_retry_is_claimed_when_it_is_due,
        a_failure_for_good_ends_the_job,
        a_job_that_fails_while_being_cancelled_is_cancelled,
        a_released_attempt_does_not_count,
        a_released_job_that_was_to_be_cancelled_is_cancelled,
        a_finished_cancellation_ends_the_job,
    }
    queue {
        expired_leases_are_queued_again_until_the_last_attempt,
        expired_leases_of_jobs_to_be_cancelled_are_cancelled,
        parallel_reapers_take_each_job_back_once,
        forfeited_leases_are_free_at_once,
        the_next_due_moment_is_known,
        parallel_claims_never_give_a_job_twice,
        parallel_claims_of_one_source_give_one,
        a_queue_under_load_imports_each_song_once,
        a_claim_is_fast_with_a_hundred_thousand_jobs,
    }
    events {
        each_account_counts_its_own_events,
        events_written_at_once_leave_no_gap,
        events_are_read_on_from_any_that_was_seen,
        an_unknown_number_is_a_gap,
        forgotten_events_are_a_gap,
        what_is_told_is_what_was_written,
    }
    audit {
        entries_come_back_as_they_were_written,
        entries_are_listed_newest_first_in_pages,
        entries_are_found_by_action_and_target,
    }
    schema {
        migrating_again_changes_nothing,
        many_may_migrate_at_once,
        an_old_schema_is_noticed,
        references_are_checked,
        a_dropped_transaction_leaves_nothing,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn postgresql_does_the_same() {
    let results = futures::stream::iter(CASES).map(|(name, case)| async move {
        let world = World::postgres().await;
        let run = tokio::spawn(tokio::time::timeout(CASE_LIMIT, case(world)));
        (*name, matches!(run.await, Ok(Ok(()))))
    });
    let results: Vec<(&str, bool)> = results.buffer_unordered(AT_ONCE).collect().await;
    let failed: Vec<&str> = results.iter().filter(|(_, passed)| !passed).map(|(name, _)| *name).collect();
    assert!(failed.is_empty(), "{} of {} cases failed: {failed:#?}", failed.len(), results.len());
}
