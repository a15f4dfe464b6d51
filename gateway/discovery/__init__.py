"""What Azure has and Keeper has no record of; and the records for it."""
