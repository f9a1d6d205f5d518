-- Checks of expressions: a worker writes one between parentheses into a statement, so it must be one expression and nothing else.

create or replace function s3_connector_private.next_lexeme(rest text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  found text;
  tag text;
  depth integer := 0;
  at integer := 1;
begin
  -- As PostgreSQL's scan.l reads them, with standard_conforming_strings on.
  if rest ~ '^/\*' then
    -- Such comments nest.
    loop
      if substr(rest, at, 2) = '/*' then
        depth := depth + 1;
        at := at + 2;
      elsif substr(rest, at, 2) = '*/' then
        depth := depth - 1;
        at := at + 2;
        exit when depth = 0;
      elsif at > length(rest) then
        return null;
      else
        at := at + 1;
      end if;
    end loop;
    return substr(rest, 1, at - 1);
  end if;
  tag := substring(rest from '^\$(?:(?:[A-Za-z_]|[^\u0001-\u007f])(?:[A-Za-z_0-9]|[^\u0001-\u007f])*)?\$');
  if tag is not null then
    at := position(tag in substr(rest, length(tag) + 1));
    return case when at > 0 then substr(rest, 1, at + 2 * length(tag) - 1) end;
  end if;
  found := coalesce(
    substring(rest from '^(?:[ \t\n\r\f\v]+|--[^\n\r]*)'),
    substring(rest from '^[eE]''(?:[^''\\]|\\.|'''')*'''),
    substring(rest from '^(?:[bBxXnN]|[uU]&)?''(?:[^'']|'''')*'''),
    substring(rest from '^(?:[uU]&)?"(?:[^"]|"")*"')
  );
  if found is not null then
    return found;
  end if;
  -- A quote that opens here is never closed.
  if rest ~ '^(?:(?:[eEbBxXnN]|[uU]&)?''|(?:[uU]&)?")' then
    return null;
  end if;
  return coalesce(
    substring(rest from '^(?:[A-Za-z_]|[^\u0001-\u007f])(?:[A-Za-z_0-9$]|[^\u0001-\u007f])*'),
    substring(rest from '^[0-9][A-Za-z_0-9]*'),
    substr(rest, 1, 1)
  );
end;
$$;
comment on function s3_connector_private.next_lexeme(text) is
  'Returns the first word, number, quoted text, comment, blanks or single character of an SQL text; null if it is a quoted text or a comment that is not ended.';

create or replace function s3_connector_private.expression_fault(expression text)
returns text language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  rest text := expression;
  lexeme text;
  opened text := '';
  is_empty boolean := true;
  has_escapes boolean := false;
begin
  while rest <> '' loop
    lexeme := s3_connector_private.next_lexeme(rest);
    if lexeme is null then
      return format('It has a quoted text or a comment that is not ended: %s', left(rest, 50));
    end if;
    rest := substr(rest, length(lexeme) + 1);
    continue when lexeme ~ '^([ \t\n\r\f\v]|--|/\*)';
    is_empty := false;
    -- PostgreSQL joins two quoted texts on two lines, and would read backslashes in the second as in the first.
    if has_escapes and lexeme ~ '^''' then
      return format('It has two quoted texts without an operator between them: %s', left(lexeme, 50));
    end if;
    has_escapes := lexeme ~ '^[eE]''';
    if lexeme in ('(', '[') then
      opened := opened || lexeme;
    elsif lexeme in (')', ']') then
      if right(opened, 1) is distinct from (case lexeme when ')' then '(' else '[' end) then
        return format('It has a %s that nothing opens.', lexeme);
      end if;
      opened := left(opened, -1);
    elsif lexeme = ';' then
      return 'It has a semicolon. Leave out one at the end; put several statements into a function, and call that.';
    elsif lexeme = ',' and opened = '' then
      return 'It has a comma outside of parentheses. Insert a row of column_mappings for each value.';
    end if;
  end loop;
  if opened <> '' then
    return format('It has a %s that nothing closes.', right(opened, 1));
  end if;
  return case when is_empty then 'It is empty.' end;
end;
$$;
comment on function s3_connector_private.expression_fault(text) is
  'Returns why a text cannot be one SQL expression; null if between parentheses it is one, or a syntax error.';

create or replace function s3_connector_private.validate_expression(m s3_connector.column_mappings, transform text)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  fault text;
begin
  if transform is not null and m.date_format is not null then
    perform s3_connector_private.refuse_mapping('date_format', 'be null if the connector has a transform', m.date_format,
      'Read the time in the transform.');
  elsif m.expression is null then
    return;
  end if;
  fault := case when octet_length(m.expression) > 10000 then 'It has more than 10000 bytes. Put it into a function, and call that.'
    else s3_connector_private.expression_fault(m.expression) end;
  if fault is not null then
    perform s3_connector_private.refuse_mapping('expression', 'be one expression of PostgreSQL''s SQL', m.expression,
      fault || ' Example: replace(value, ''$'', '''')::numeric');
  end if;
  if m.target_column is null then
    perform s3_connector_private.refuse_mapping('target_column', 'be given with an expression', null, 'Name the table''s column that gets its value.');
  end if;
  if m.date_format is not null then
    perform s3_connector_private.refuse_mapping('date_format', 'be null with an expression', m.date_format,
      'Read the time in the expression: to_timestamp(value, ''DD.MM.YYYY HH24:MI'').');
  end if;
  if transform is not null then
    perform s3_connector_private.refuse_mapping('expression', 'be null if the connector has a transform', m.expression,
      'Compute the column in the transform.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_expression(s3_connector.column_mappings, text) is
  'Refuses an expression that is not one, or that the rest of its mapping, or the transform of its connector, contradicts.';

create or replace function s3_connector_private.validate_no_expressions(c s3_connector.connectors)
returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
  if c.transform is not null and exists (
    select from s3_connector.column_mappings m
    where m.connector_name = c.name and (m.expression is not null or m.date_format is not null)
  ) then
    perform s3_connector_private.refuse_setting('transform', 'be null if column mappings of the connector have an expression or a date_format', c.transform,
      'Compute these columns in the transform, and delete the mappings.');
  end if;
end;
$$;
comment on function s3_connector_private.validate_no_expressions(s3_connector.connectors) is
  'Refuses a transform for a connector whose mappings have expressions.';
