-- Least privilege on PostgreSQL. Run each part as the owner of its database, once; login roles are
-- then members of these groups: GRANT vye_pipeline_reader TO some_login.

-- Part 1, VYE's database, VYE_DATABASE_URL: reads, nothing else.
CREATE ROLE vye_pipeline_reader NOLOGIN;
GRANT USAGE ON SCHEMA public TO vye_pipeline_reader;
GRANT SELECT ON vye_bdn_clones, vye_user_profiles, vye_user_infos, vye_verifications,
  vye_direct_deposit_changes, vye_address_changes, mpi_identities TO vye_pipeline_reader;

-- VYE_DATABASE_WRITE_URL: hands a clone back, nothing else.
CREATE ROLE vye_pipeline_flag_writer NOLOGIN;
GRANT USAGE ON SCHEMA public TO vye_pipeline_flag_writer;
GRANT SELECT (id, is_active, export_ready), UPDATE (export_ready) ON vye_bdn_clones
  TO vye_pipeline_flag_writer;

-- Part 2, the ledger's database, VYE_LEDGER_URL: the pipeline makes and upgrades its own tables.
CREATE ROLE vye_pipeline_ledger NOLOGIN;
GRANT USAGE, CREATE ON SCHEMA public TO vye_pipeline_ledger;

-- Part 3, the ledger's database, once the pipeline has opened it: analysts read the views and
-- extend the reason codes. Views are made anew by an upgrade of the pipeline: run this part again.
CREATE ROLE vye_pipeline_analyst NOLOGIN;
GRANT USAGE ON SCHEMA public TO vye_pipeline_analyst;
GRANT SELECT ON reconciliation_by_day, manual_reconciliation_open, manual_reconciliation_history,
  rejection_reasons, delivery_history TO vye_pipeline_analyst;
GRANT SELECT, INSERT, UPDATE ON reason_codes TO vye_pipeline_analyst;
