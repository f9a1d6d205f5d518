/** What tables may do with the rows of files. */
import { but, type Case, COLUMNS, csv, many, same } from './case.ts';

export const TABLES: Record<string, Case> = {
  not_null: {
    columns: "file integer, n integer not null, value text default 'd', file_id bigint",
    bodies: but(6, { 2: 'file,value\n2,x\n', 3: 'file,n\n3,1\n', 4: `${csv(4)}4,,x\n` }),
  },
  primary: { columns: `${COLUMNS}, primary key (file, n)`, bodies: many(6, same) },
  deferred_key: {
    columns: `${COLUMNS}, unique (file, n) deferrable initially deferred`,
    bodies: many(6, (file) => (file % 2 ? csv(file) : same(file))),
  },
  excluded: {
    columns: `${COLUMNS}, r int4range generated always as (int4range(n, n + 1)) stored, exclude using gist (r with &&)`,
    bodies: [
      'file,n,value\n0,0,a\n',
      'file,n,value\n1,1,a\n',
      'file,n,value\n2,0,a\n',
      'file,n,value\n3,3,a\n',
    ],
  },
  foreign: {
    ddl: `create table $S.parents (id integer primary key); insert into $S.parents values (0), (1), (2), (4), (5), (7);
      create table $S.t_foreign (file integer references $S.parents, n integer, value text, file_id bigint)`,
    bodies: many(8),
  },
  foreign_deferred: {
    ddl: `create table $S.parents_later (id integer primary key); insert into $S.parents_later values (0), (1), (2), (4), (5), (7);
      create table $S.t_foreign_deferred (file integer references $S.parents_later deferrable initially deferred, n integer, value text, file_id bigint)`,
    bodies: many(8),
  },
  foreign_to_itself: {
    columns: 'id integer primary key, parent integer references $S.t_foreign_to_itself, file_id bigint',
    bodies: ['id,parent\n1,2\n', 'id,parent\n2,1\n', 'id,parent\n3,3\n'],
  },
  foreign_deferred_to_itself: {
    columns:
      'id integer primary key, parent integer references $S.t_foreign_deferred_to_itself deferrable initially deferred, file_id bigint',
    bodies: ['id,parent\n1,2\n', 'id,parent\n2,1\n', 'id,parent\n3,3\n'],
  },
  foreign_to_its_tree: {
    ddl: `create table $S.tree (id integer primary key, parent integer references $S.tree, file_id bigint) partition by range (id);
      create table $S.t_foreign_to_its_tree partition of $S.tree for values from (0) to (9)`,
    bodies: ['id,parent\n1,2\n', 'id,parent\n2,1\n', 'id,parent\n3,3\n'],
  },
  foreign_of_partition: {
    ddl: `create table $S.t_foreign_of_partition (id integer primary key, parent integer, file_id bigint) partition by range (id);
      create table $S.leaf partition of $S.t_foreign_of_partition for values from (0) to (9);
      alter table $S.leaf add foreign key (parent) references $S.t_foreign_of_partition`,
    bodies: ['id,parent\n1,2\n', 'id,parent\n2,1\n', 'id,parent\n3,3\n'],
  },
  before_row: {
    ddl: `create table $S.t_before_row (${COLUMNS}); create function $S.before_row() returns trigger language plpgsql as $$ begin
        if new.file = 2 then raise 'no file 2'; end if; if new.n = 1 then return null; end if;
        new.value := (select count(*) from $S.t_before_row); return new; end $$;
      create trigger t before insert on $S.t_before_row for each row execute function $S.before_row()`,
    bodies: many(6),
  },
  after_row: {
    ddl: `create table $S.t_after_row (${COLUMNS}); create table $S.copies (file integer, rows bigint);
      create function $S.after_row() returns trigger language plpgsql as $$ begin
        insert into $S.copies select new.file, count(*) from $S.t_after_row; return null; end $$;
      create trigger t after insert on $S.t_after_row for each row execute function $S.after_row()`,
    bodies: many(6),
  },
  after_statement: {
    ddl: `create table $S.t_after_statement (${COLUMNS}); create table $S.statements (nr serial, rows bigint);
      create function $S.after_statement() returns trigger language plpgsql as $$ begin
        insert into $S.statements (rows) select count(*) from added; return null; end $$;
      create trigger t after insert on $S.t_after_statement referencing new table as added for each statement execute function $S.after_statement()`,
    bodies: many(6),
  },
  at_commit: {
    ddl: `create table $S.t_at_commit (${COLUMNS});
      create function $S.at_commit() returns trigger language plpgsql as $$ begin
        if new.file = 3 then raise 'not 3'; end if;
        if (select count(*) from $S.t_at_commit) > 12 then raise 'full'; end if; return null; end $$;
      create constraint trigger t after insert on $S.t_at_commit deferrable initially deferred for each row execute function $S.at_commit()`,
    bodies: many(6),
  },
  partition_trigger: {
    ddl: `create table $S.t_partition_trigger (${COLUMNS}) partition by list (file); create table $S.tp1 partition of $S.t_partition_trigger for values in (0, 1, 2, 3);
      create table $S.tp2 partition of $S.t_partition_trigger for values in (4, 5); create table $S.tp_seen (rows bigint);
      create function $S.tp_after() returns trigger language plpgsql as $$ begin
        insert into $S.tp_seen select count(*) from $S.t_partition_trigger; return null; end $$;
      create trigger t after insert on $S.tp2 for each row execute function $S.tp_after()`,
    bodies: many(7),
  },
  checked_stable: {
    ddl: `create table $S.t_checked_stable (${COLUMNS}); create function $S.stable_room() returns boolean stable language plpgsql as $$ begin return (select count(*) from $S.t_checked_stable) < 5; end $$;
      alter table $S.t_checked_stable add check ($S.stable_room())`,
    bodies: many(6),
  },
  checked_volatile: {
    ddl: `create table $S.t_checked_volatile (${COLUMNS}); create function $S.volatile_room() returns boolean language plpgsql as $$ begin return (select count(*) from $S.t_checked_volatile) < 5; end $$;
      alter table $S.t_checked_volatile add check ($S.volatile_room())`,
    bodies: many(6),
  },
  checked_domain: {
    ddl: `create function $S.domain_room(text) returns boolean stable language plpgsql as $$ begin return (select count(*) from $S.t_checked_domain) < 5; end $$;
      create domain $S.guarded as text check ($S.domain_room(value));
      create table $S.t_checked_domain (file integer, n integer, value $S.guarded, file_id bigint)`,
    bodies: many(6),
  },
  checked_partition: {
    ddl: `create table $S.t_checked_partition (${COLUMNS}) partition by list (file);
      create function $S.partition_room() returns boolean stable language plpgsql as $$ begin return (select count(*) from $S.t_checked_partition) < 5; end $$;
      create table $S.cp1 partition of $S.t_checked_partition (check ($S.partition_room())) default`,
    bodies: many(6),
  },
  defaulted: {
    ddl: `create table $S.t_defaulted (${COLUMNS}); create function $S.rows_so_far() returns bigint language plpgsql as $$ begin return (select count(*) from $S.t_defaulted); end $$;
      alter table $S.t_defaulted add before bigint default $S.rows_so_far()`,
    bodies: many(6),
  },
  identity: {
    columns: `nr bigint generated always as identity, ${COLUMNS}, twice integer generated always as (n * 2) stored`,
    bodies: many(6),
  },
  identity_filled: {
    columns: `nr bigint generated by default as identity, file_id bigint`,
    bodies: ['nr\n5\n', 'nr\n\n', 'nr\nx\n', 'nr\n7'],
  },
  partitioned: {
    ddl: `create table $S.t_partitioned (${COLUMNS}) partition by range (file); create table $S.p1 partition of $S.t_partitioned for values from (0) to (4);
      create table $S.p2 partition of $S.t_partitioned for values from (5) to (8); alter table $S.p2 add check (n < 2 or file <> 6)`,
    bodies: many(9),
  },
  view: {
    ddl: `create table $S.under (${COLUMNS}); create view $S.t_view as select * from $S.under where file <> 3 with check option`,
    bodies: many(6),
  },
  unlogged: { later: 'alter table $S.t_unlogged set unlogged', bodies: many(4) },
  unlogged_allowed: {
    ddl: `create unlogged table $S.t_unlogged_allowed (${COLUMNS})`,
    connector: { allow_unlogged: true },
    bodies: many(4),
  },
};
