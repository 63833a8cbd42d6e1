/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What every unit test's main() does: run the named tests as one CUnit suite, print what failed,
 * exit 1 if anything did.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <CUnit/Basic.h>
#include <CUnit/CUnit.h>
#include <stddef.h>

struct unit_test {
	const char *name;
	void (*run)(void);
};

static inline int
unit_main(const char *suite_name, const struct unit_test *tests, size_t count)
{
	CU_pSuite suite;
	unsigned int failures;

	if (CU_initialize_registry() != CUE_SUCCESS)
		return 2;
	suite = CU_add_suite(suite_name, NULL, NULL);
	for (size_t i = 0; suite && i < count; i++) {
		if (!CU_add_test(suite, tests[i].name, tests[i].run))
			suite = NULL;
	}
	if (!suite) {
		CU_cleanup_registry();
		return 2;
	}
	CU_basic_set_mode(CU_BRM_VERBOSE);
	CU_basic_run_tests();
	failures = CU_get_number_of_failures();
	CU_cleanup_registry();
	return failures ? 1 : 0;
}

#define UNIT_MAIN(suite, tests)                                                     \
	int main(void)                                                              \
	{                                                                           \
		return unit_main(suite, tests, sizeof(tests) / sizeof((tests)[0])); \
	}

#endif
