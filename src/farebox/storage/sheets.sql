-- Printed sheets. The status on the voucher or campaign row is the truth; a document counts only
-- while that status agrees with it. Of one subject the row is locked first, then the document.

-- name: voucher_campaign
-- Which campaign's lock a voucher's sheet needs.
select campaign from voucher.voucher where id = $1

-- name: share_campaign
-- Waits for a running edit of the campaign and keeps the next one away until the commit.
select pg_advisory_xact_lock_shared(77, $1)

-- name: lock_voucher
-- The status of a voucher's sheet, locked.
select pdf_status from voucher.voucher where id = $1 for no key update

-- name: lock_campaign
-- The status of a campaign's sheet, locked, and the campaign's own status.
select pdf_status, status from voucher.campaign where id = $1 for no key update

-- name: set_voucher
-- The version stays: a sheet decides nothing about a redemption.
update voucher.voucher set pdf_status = $2 where id = $1 and pdf_status <> $2

-- name: set_campaign
-- The status of a campaign's sheet.
update voucher.campaign set pdf_status = $2 where id = $1 and pdf_status <> $2

-- name: add_document
-- A new document of a subject; the one before it must be gone.
insert into voucher.document (subject, state, created_at_ms) values ($1, 'creating', $2)
returning id

-- name: drop_documents
-- Forgets the documents of subjects with all their parts.
delete from voucher.document where subject = any($1::text[])

-- name: drop_document
-- Forgets an unfinished document that nobody waits for any more.
delete from voucher.document where id = $1 and state = 'creating'

-- name: drop_vouchers
-- Puts back every voucher of a campaign that has a sheet.
with printed as (
  select id, code_key from voucher.voucher
  where campaign = $1 and pdf_status <> 'empty'
  order by code_key, id
  for no key update
)
update voucher.voucher v set pdf_status = 'empty'
from printed where v.id = printed.id and v.code_key = printed.code_key
returning v.id

-- name: start_attempt
-- Takes an unfinished document for one more try, whose number fences off the one before it.
update voucher.document set attempts = attempts + 1
where id = $1 and state = 'creating'
returning attempts

-- name: drop_parts
-- What an earlier try left behind.
delete from voucher.document_part where document = $1

-- name: add_part
-- One more part, while the document is still this try's.
with mine as (
  select id from voucher.document
  where id = $1 and attempts = $2 and state = 'creating'
  for key share
)
insert into voucher.document_part (document, seq, body) select id, $3, $4 from mine
returning seq

-- name: finish_document
-- Ends a document; no row when it is no longer this try's.
update voucher.document set state = $3, bytes = $4
where id = $1 and attempts = $2 and state = 'creating'
returning id

-- name: ready_voucher
-- The finished document of a voucher.
select d.id, d.bytes from voucher.document d
where d.subject = 'voucher:' || $1::bigint and d.state = 'ready'
  and exists (select from voucher.voucher where id = $1 and pdf_status = 'ready')

-- name: ready_campaign
-- The finished document of a campaign.
select d.id, d.bytes from voucher.document d
where d.subject = 'campaign:' || $1::int and d.state = 'ready'
  and exists (select from voucher.campaign where id = $1 and pdf_status = 'ready')

-- name: read_part
-- One part of a document.
select body from voucher.document_part where document = $1 and seq = $2

-- name: voucher_card
-- What a voucher's page shows: its own, else its campaign's.
select v.id, v.code,
  coalesce(v.text1, c.voucher_text1) as text1, coalesce(v.text2, c.voucher_text2) as text2,
  coalesce(v.text3, c.voucher_text3) as text3, coalesce(v.text4, c.voucher_text4) as text4,
  coalesce(v.style, c.voucher_style) as style, coalesce(v.logo_image, c.logo_image) as logo,
  case when v.inherit then coalesce(v.expires_on, c.expires_on) else v.expires_on end as expires_on
from voucher.voucher v join voucher.campaign c on c.id = v.campaign
where v.id = $1

-- name: campaign_cards
-- The next vouchers of a campaign by id: the active ones that have not expired.
select v.id, v.code,
  coalesce(v.text1, c.voucher_text1) as text1, coalesce(v.text2, c.voucher_text2) as text2,
  coalesce(v.text3, c.voucher_text3) as text3, coalesce(v.text4, c.voucher_text4) as text4,
  coalesce(v.style, c.voucher_style) as style, coalesce(v.logo_image, c.logo_image) as logo,
  case when v.inherit then coalesce(v.expires_on, c.expires_on) else v.expires_on end as expires_on
from voucher.voucher v join voucher.campaign c on c.id = v.campaign
where v.campaign = $1 and v.id > $2 and v.active
  and coalesce(
    v.expires_before_ms, case when v.inherit then c.expires_before_ms end, 9223372036854775807) > $3
order by v.id
limit $4

-- name: campaign_name
-- The title of a campaign's sheet.
select name from voucher.campaign where id = $1

-- name: image
-- A stored picture as a data URI.
select original from vending.image where id = $1
