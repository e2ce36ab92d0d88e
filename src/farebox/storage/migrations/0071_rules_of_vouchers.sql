-- Vouchers with rules of their own are few; who asks whether a place is named finds them at once.

create index voucher_with_rules on voucher.voucher (id) where rules is not null;
