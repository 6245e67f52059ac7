-- Least privilege on PostgreSQL. Each part can be run again at any time, and has to be after an
-- upgrade of the pipeline: views are made anew by it, and tables may be new.
--
-- The roles here are groups; a person's or program's login is made a member of one of them:
--   CREATE ROLE vye_pipeline_ledger_login LOGIN PASSWORD '…' IN ROLE vye_pipeline_ledger;
-- A login of its own for each operator and analyst is what makes `database_user` in the ledger say
-- who somebody was: it is the session's user, whatever role is set.

-- Part 1, VYE's database, as its owner. VYE_DATABASE_URL: reads, nothing else.
DO $$ BEGIN CREATE ROLE vye_pipeline_reader NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
GRANT USAGE ON SCHEMA public TO vye_pipeline_reader;
GRANT SELECT ON vye_bdn_clones, vye_user_profiles, vye_user_infos, vye_verifications,
  vye_direct_deposit_changes, vye_address_changes TO vye_pipeline_reader;
-- A copy has the first of these, production the second (docs/production.md).
DO $$ BEGIN
  IF to_regclass('mpi_identities') IS NOT NULL THEN
    GRANT SELECT ON mpi_identities TO vye_pipeline_reader;
  END IF;
  IF to_regclass('flipper_gates') IS NOT NULL THEN
    GRANT SELECT ON flipper_gates TO vye_pipeline_reader;
  END IF;
END $$;

-- VYE_DATABASE_WRITE_URL: hands a clone back once no record of it is left behind, nothing else.
DO $$ BEGIN CREATE ROLE vye_pipeline_flag_writer NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
GRANT USAGE ON SCHEMA public TO vye_pipeline_flag_writer;
GRANT SELECT (id, is_active, export_ready), UPDATE (export_ready) ON vye_bdn_clones
  TO vye_pipeline_flag_writer;
GRANT SELECT (id, user_profile_id, bdn_clone_id) ON vye_user_infos TO vye_pipeline_flag_writer;
GRANT SELECT (id, user_info_id) ON vye_verifications, vye_direct_deposit_changes
  TO vye_pipeline_flag_writer;
GRANT SELECT (id, user_info_id, origin) ON vye_address_changes TO vye_pipeline_flag_writer;

-- Part 2, the ledger's database, as an administrator, before the pipeline opens it. The owner makes
-- and upgrades the tables, and is used for nothing else: a login that is a member of it, with
--   ALTER ROLE vye_pipeline_owner_login SET role = vye_pipeline_owner;
DO $$ BEGIN CREATE ROLE vye_pipeline_owner NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
DO $$ BEGIN CREATE ROLE vye_pipeline_ledger NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
DO $$ BEGIN CREATE ROLE vye_pipeline_operator NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
DO $$ BEGIN CREATE ROLE vye_pipeline_analyst NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
DO $$ BEGIN CREATE ROLE vye_pipeline_auditor NOLOGIN; EXCEPTION WHEN duplicate_object THEN END $$;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO vye_pipeline_owner;
GRANT USAGE ON SCHEMA public
  TO vye_pipeline_ledger, vye_pipeline_operator, vye_pipeline_analyst, vye_pipeline_auditor;

-- Part 3, the ledger's database, as the owner, once `vye status` has made or upgraded the tables
-- with the owner's VYE_LEDGER_URL. What this part doesn't give is taken away first.
REVOKE ALL ON ALL TABLES IN SCHEMA public
  FROM vye_pipeline_ledger, vye_pipeline_operator, vye_pipeline_analyst, vye_pipeline_auditor;
GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO vye_pipeline_ledger, vye_pipeline_operator;

-- VYE_LEDGER_URL of the three services. What people and failures have left takes inserts only.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO vye_pipeline_ledger;
REVOKE UPDATE, DELETE
  ON actions, contact_lookups, decisions, deliveries, failures, hand_overs, holds, redeliveries,
  resolutions FROM vye_pipeline_ledger;
REVOKE INSERT, UPDATE, DELETE ON alembic_version, reason_codes FROM vye_pipeline_ledger;
GRANT UPDATE (redelivered_at) ON redeliveries TO vye_pipeline_ledger;
-- Views are for reading: what is written through one is written with its owner's rights.
DO $$ DECLARE one regclass; BEGIN
  FOR one IN SELECT oid FROM pg_class
    WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace
  LOOP
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON %s FROM vye_pipeline_ledger', one);
  END LOOP;
END $$;

-- VYE_LEDGER_URL of an operator at a terminal: reads all of it (ids, no personal data), resolves,
-- looks contacts up, holds back. Whoever starts an egress at a terminal needs vye_pipeline_ledger, too.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO vye_pipeline_operator;
GRANT INSERT ON actions, contact_lookups, holds, resolutions TO vye_pipeline_operator;

-- Analysts read their views and extend the reason codes.
GRANT SELECT ON reconciliation_by_day, manual_reconciliation_open, manual_reconciliation_history,
  rejection_reasons, delivery_history TO vye_pipeline_analyst;
GRANT SELECT, INSERT, UPDATE ON reason_codes TO vye_pipeline_analyst;

-- The auditor reads who did what, and who looked a veteran up.
GRANT SELECT ON action_history, contact_lookup_history, delivery_history,
  manual_reconciliation_history TO vye_pipeline_auditor;
