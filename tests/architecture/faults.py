"""What must not go wrong, and where it is tested that it does not."""

import ast
from pathlib import Path

TESTS = Path(__file__).parent.parent

# What is done to it: the tests, by the file under `tests/` and the name behind `test_`.
FAULTS: dict[str, dict[str, str]] = {
    "killed while it writes a state": {
        "callbacks/test_state_folder.py": "killed_at_any_moment_a_complete_state_is_left "
        "two_are_kept_and_nothing_half_written",
    },
    "killed in the middle of a fit, and resumed": {
        "engine/test_resume.py": "cut_off_anywhere_it_ends_alike other_steps_end_alike_too "
        "killed_and_resumed_from_the_command_line",
        "photos/test_reader.py": "every_view_is_shown_once_in_as_many_epochs",
    },
    "a disk that fills up": {
        "callbacks/test_state_folder.py": "a_full_disk_leaves_the_old_state",
        "bundles/test_bundle.py": "a_full_disk_is_told_and_leaves_nothing",
        "training/test_keeping.py": "a_model_that_finds_no_room_is_kept_elsewhere",
        "test_files.py": "what_any_library_says_of_the_disk_is_told_alike "
        "a_file_that_may_not_grow_is_told_by_every_writer",
        "promotion/test_log.py": "a_full_disk_leaves_all_as_it_was",
        "test_regular.py": "what_is_added_is_whole_or_not_there",
        "renewing/test_renewing.py": "a_disk_without_room_for_a_successor_is_told_first",
    },
    "a state that is damaged": {
        "callbacks/test_state_folder.py": "a_damaged_state_is_noticed_and_the_one_before_is_used "
        "if_all_are_damaged_nothing_begins_anew",
        "engine/test_resume.py": "damaged_states_are_told_and_never_begun_anew",
    },
    "two runs in one folder": {"engine/test_resume.py": "two_runs_in_one_folder"},
    "a loss that is no number": {
        "training/test_fit_options.py": "a_diverging_stage_is_rolled_back_and_names_its_photos",
        "callbacks/test_batch_loss.py": "loss_that_is_not_finite_names_the_step",
        "callbacks/test_exact_checkpoint.py": ""
        "weights_that_are_not_finite_leave_the_last_good_state",
    },
    "an order that depends on the process": {
        "photos/test_reader.py": "order_is_a_function_of_seed_and_epoch_alone "
        "order_is_the_same_in_another_process",
    },
    "folders that cannot be written, and no home": {
        "engine/test_prefix_cache.py": ""
        "an_unwritable_cache_folder_is_replaced_by_the_temporary_one",
        "backbones/test_weights_cache.py": "an_unwritable_cache_costs_one_warning "
        "without_a_home_it_works_uncached",
        "photos/test_scan.py": "folders_that_may_not_be_read_are_excluded",
    },
    "files that are no photos": {
        "photos/test_scan.py": "unreadable_photos_are_listed_with_the_reason",
        "photos/test_decode_faults.py": "what_is_no_photo_is_refused_with_the_reason",
    },
    "16 bits and floats": {
        "photos/test_decode.py": "16bit_grey_is_scaled_by_the_declared_range_and_not_clipped "
        "16bit_beyond_the_declared_range_is_refused float_tiff_is_refused",
    },
    "colours of every kind": {
        "photos/test_decode.py": "transparency_is_laid_on_the_background "
        "cmyk_palette_and_1bit_are_converted the_colour_that_a_png_declares_transparent_is",
        "photos/test_in_graph.py": "pngs_are_decoded_alike jpegs_are_decoded_alike",
    },
    "orientation by every carrier": {
        "photos/test_decode.py": "all_exif_orientations_of_one_picture_give_equal_arrays",
        "photos/test_in_graph.py": "a_png_is_upright_whatever_says_so_or_is_refused",
    },
    "more than one frame or page": {
        "photos/test_decode.py": "animations_give_their_first_frame",
        "photos/test_budget.py": "no_more_than_the_second_frame_is_looked_at "
        "a_damaged_second_page_is_noticed",
    },
    "pictures that claim to be huge": {
        "photos/test_decode_faults.py": "size_is_judged_before_decoding "
        "a_file_of_gigabytes_is_not_read",
    },
    "one photo on every way to an answer": {
        "test_one_photo_everywhere.py": "pixels_and_answer_are_the_same_everywhere",
        "server/test_protocol.py": "photos_are_answered_as_by_the_predictor",
    },
    "classes that are small or empty": {
        "photos/test_scan.py": "small_and_empty_classes_are_refused_or_dropped",
    },
    "copies on two sides of a split": {
        "photos/test_check.py": "copies_inside_and_across_splits "
        "look_alikes_leak_unless_declared_groups_say_otherwise",
        "training/test_fine_tune.py": "a_leak_is_refused_before_the_training",
    },
    "names of every kind": {
        "photos/test_scan.py": "strange_names_round_trip",
        "photos/test_check.py": "strange_names_are_escaped_in_text",
        "report/test_html.py": "text_from_the_data_is_never_markup",
    },
    "links, pipes and devices among photos": {
        "photos/test_scan.py": "links_pipes_and_devices_never_hang",
    },
    "tables with wrong rows": {
        "data/test_table.py": "wrong_tables_name_the_rows up_to_five_rows_are_shown",
    },
    "a photo that changes after it was scanned": {
        "photos/test_decode_faults.py": "a_file_changed_since_the_scan_is_noticed",
        "training/test_fit.py": "a_photo_that_changes_is_named",
        "bundles/test_bundle.py": "a_photo_that_changed_after_its_evaluation_is_not_saved",
    },
    "model files that hold code": {
        "bundles/test_model_file.py": "a_lambda_is_refused gadgets_are_refused "
        "links_out_of_the_weights_are_refused absurd_sizes_are_refused_before_the_memory_is_taken",
    },
    "a bundle that is not as it was written": {
        "bundles/test_bundle.py": "what_is_not_as_it_was_written_is_named",
        "bundles/test_seals.py": "a_few_changed_bytes_in_any_file_are_noticed "
        "what_was_added_is_noticed "
        "files_that_are_cut_short_lengthened_removed_or_swapped_are_noticed",
    },
    "an exported file that is not as it was written": {
        "verify/test_checking.py": "changed_file_never_reaches_the_runtime silent_damage_is_real",
        "bundles/test_seals.py": "a_lowered_tolerance_and_a_hidden_failure_are_noticed",
    },
    "requests that are malformed": {
        "server/test_protocol.py": "what_is_malformed_is_told binary_sizes_must_be_true "
        "numbers_that_are_none_are_refused large_requests_do_not_grow_the_server",
        "server/test_limits.py": "what_is_too_large_or_no_http_is_refused",
    },
    "clients that drip": {
        "server/test_limits.py": "clients_that_send_nothing_are_ended_and_others_do_not_wait "
        "a_head_that_drips_is_ended a_body_that_drips_is_ended",
    },
    "one bad request in a batch": {
        "server/test_parts.py": "each_gets_its_own_answer_and_only_the_poison_fails",
    },
    "more requests than can be answered": {
        "server/test_limits.py": "too_many_requests_are_sent_away_and_it_recovers "
        "a_kill_loses_no_journal_and_a_signal_ends_it_well",
    },
    "a new version that is worse": {
        "server/test_limits.py": "another_version_takes_over_and_no_request_is_lost "
        "a_version_that_cannot_be_loaded_leaves_the_old_one_there",
        "server/test_parts.py": "a_file_that_answers_otherwise_is_not_served",
        "edge/test_device.py": "a_model_that_does_not_prove_itself_gives_way "
        "a_model_that_ends_the_device_gives_way_after_two_starts",
    },
    "days without a network, and power cuts": {
        "edge/test_fleet.py": "a_thousand_devices_offline_for_days "
        "a_power_cut_loses_nothing_that_was_queued "
        "the_oldest_are_dropped_and_counted_and_a_sample_stands_for_all",
        "edge/test_twin.py": "a_power_cut_loses_nothing_that_was_queued "
        "a_full_disk_or_a_damaged_queue_stops_no_answers",
        "watching/test_alerts.py": "a_clock_that_is_put_back_makes_nobody_wait",
    },
    "drift where there is none": {
        "drift/test_detecting.py": "too_few_photos_say_nothing photos_as_they_were_are_quiet",
        "drift/test_recent.py": "an_unlucky_reference_breaks_no_promise",
    },
    "gradients that are wrong": {
        "engine/test_gradient_check.py": "smooth_functions_agree "
        "a_wrong_gradient_is_named_with_its_place",
    },
    "one loaded file and many threads": {
        "contracts/test_formats.py": "threads_get_the_answers_of_a_serial_call",
        "serve/test_predictor.py": "threads_share_one threads_open_their_own",
    },
    "threads that are the first to need keras": {
        "environment/test_silence.py": "threads_all_begin_with_keras_and_halves_are_told",
    },
    "an exported file whose scores move, and its answers do not": {
        "verify/test_checking.py": "scores_that_move_fail_though_the_answers_are_the_same",
    },
    "small pictures that cost much": {
        "photos/test_budget.py": "what_would_take_too_long_is_refused "
        "the_deepest_photo_takes_the_memory_that_is_set_aside "
        "a_large_photo_waits_but_is_not_passed_for_ever",
    },
    "model files that promise more than they hold": {
        "bundles/test_model_file.py": "weights_that_declare_more_than_they_hold_are_refused "
        "configs_that_ask_for_more_than_there_are_weights_are_refused a_zip_bomb_is_refused "
        "archives_that_lie_are_refused",
    },
    "what is no file in place of one": {
        "bundles/test_seals.py": "what_is_no_file_inside_the_bundle_is_refused_by_name "
        "a_folder_that_is_a_link_is_refused golden_photos_are_read_from_the_bundle_alone",
        "test_regular.py": "what_is_no_file_is_refused_by_name "
        "a_run_writes_to_nothing_but_files_of_its_folder",
    },
    "readers and writers of one export": {
        "release/test_exporting.py": "readers_and_two_writers_at_once "
        "a_reader_that_lost_takes_what_is_there_now",
    },
    "states that were removed": {
        "engine/test_resume.py": "removed_states_are_told_and_never_begun_anew "
        "a_run_without_its_plan_is_neither_resumed_nor_begun_over",
    },
    "files of a run that were changed by hand": {
        "engine/test_resume.py": "a_log_that_was_changed_is_told "
        "a_recipe_that_was_changed_is_told what_is_trained_again_or_written_anew_is_told",
    },
    "one database, opened twice in one process": {
        "test_databases.py": "none_takes_away_what_another_of_its_process_has_locked",
    },
    "one name written in two ways": {
        "data/test_spelling.py": "groups_of_a_table_are_one_or_told_with_their_rows "
        "labels_of_a_table_are_one_or_told_with_their_rows "
        "flags_sides_times_and_columns_of_a_table",
    },
    "a thousand classes": {
        "evaluation/test_results.py": "many_classes_cost_no_more_than_their_scores",
    },
    "damaged JSON in any file": {
        "test_records.py": "damage_of_every_kind_is_told_in_one_line",
    },
    "arguments of a wrong kind": {
        "contracts/test_arguments.py": "hostile_arguments_are_named "
        "arrays_as_for_a_keras_model_are_told_what_takes_their_place",
    },
    "photos scaled twice": {"backbones/test_from_model.py": "photos_are_not_scaled_twice"},
    "a model of the user that cannot be saved or converted": {
        "backbones/test_from_model.py": "layers_that_no_file_gives_back_are_named_before_training "
        "what_no_tflite_file_can_have_is_said_before_training",
    },
    "a model of the user with names of ours": {
        "backbones/test_from_model.py": "what_is_added_to_a_model_has_no_name_that_it_has "
        "what_heads_add_to_a_model_is_known",
    },
    "measured on photos that its first weights had seen": {
        "training/test_first_weights.py": "a_saved_models_folder_gives_its_weights "
        "a_model_in_memory_is_known_by_what_it_saw",
    },
    "callbacks of Keras in a recipe": {
        "training/test_callbacks_in_recipes.py": "all_are_decided_upon "
        "what_is_not_refused_does_what_it_promises recipes_of_other_kinds_refuse_it_too "
        "recipes_of_other_kinds_keep_what_it_promises",
        "callbacks/test_any_fit.py": "every_callback_is_fitted_here",
    },
    "namesakes of Keras": {
        "callbacks/test_early_stopping.py": "the_arguments_and_attributes_are_those_of_keras",
    },
    "intervals that forget groups": {
        "evaluation/test_results.py": "groups_are_covered_where_examples_alone_are_not",
        "verify/test_groups.py": "differences_go_by_parts_and_say_how_many_there_are",
        "statistics/test_simultaneous.py": "balanced_accuracy_of_two_or_three_groups_is_covered",
        "drift/test_truth.py": "parts_count_once_however_often_they_are_shown",
        "promotion/test_promoting.py": "photos_of_one_part_count_as_little_as_they_tell",
        "evaluation/test_classification.py": "log_losses_of_rare_mistakes_are_covered_or_told_of",
    },
    "a command that is told to end": {
        "cli/test_cli.py": "ctrl_c_while_the_command_line_is_imported",
        "scoring/test_scoring.py": "ctrl_c_tells_what_is_kept",
        "test_files.py": "a_command_that_is_told_to_end_leaves_nothing "
        "what_a_killed_process_left_is_removed_by_the_next_write",
    },
}


def missing(tests: dict[str, str]) -> list[str]:
    """Return the tests that are not there, or would not run."""
    found = []
    for name, wanted in tests.items():
        path = TESTS / name
        tree = ast.parse(path.read_text()) if path.is_file() else ast.Module([], [])
        known = {
            node.name: any("mark.skip(" in ast.unparse(one) for one in node.decorator_list)
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
        }
        found += [f"{name}::{one}" for one in wanted.split() if known.get(f"test_{one}", True)]
    return found
