"""What any router must do, told as scenarios that run against our own and against real ones."""
